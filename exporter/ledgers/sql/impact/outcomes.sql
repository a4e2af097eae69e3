-- What came of it: impact, cost and number of settled outcomes, cost and number of pending ones, by day, quest and layer.
with outcome as ({rows})
select
    greatest(day, %(oldest)s) as day, quest, layer,
    coalesce(sum(impact), 0),
    coalesce(sum(usd) filter (where not pending), 0), count(*) filter (where not pending),
    coalesce(sum(usd) filter (where pending), 0), count(*) filter (where pending)
from outcome
where day <= %(today)s and usd is not null and score_accepted
group by 1, 2, 3
