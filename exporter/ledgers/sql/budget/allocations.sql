-- What was allocated and what is recorded as spent, by day and quest.
with allocation as ({rows})
select
    greatest(day, %(oldest)s) as day, quest,
    sum(usd), coalesce(sum(recorded_usd), 0), count(*), count(recorded_usd)
from allocation
where day <= %(today)s and usd is not null
group by 1, 2
