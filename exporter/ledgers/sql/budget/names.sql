-- Every quest's names as of its newest row.
with allocation as ({rows}),
newest as (
    select quest, max(day) as day
    from allocation
    where usd is not null and day <= %(today)s and quest is not null
    group by 1
)
select distinct quest, day, name
from allocation join newest using (quest, day)
where usd is not null
