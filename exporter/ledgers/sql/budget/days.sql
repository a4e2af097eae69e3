-- What was allocated and is recorded as spent in a range, by day and quest, and the quest's names.
with allocation as ({rows})
select
    day, quest, count(*), count(usd), coalesce(sum(usd), 0),
    coalesce(sum(recorded_usd) filter (where usd is not null), 0),
    count(recorded_usd) filter (where usd is not null),
    array_agg(distinct name) filter (where usd is not null and name is not null)
from allocation
group by 1, 2
