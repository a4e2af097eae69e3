-- The quest that wasted the largest part of its outcomes' cost in the last 7 days; what is not yet due to be scored aside.
with outcome as (
    select quest_id, cost_usd, total_tokens > 1000 and coalesce(impact_score, 0) <= 0.5 as wasted
    from impact_ledger
    where created_at >= %(midnight)s - interval '6 days' and created_at <= %(now)s and cost_usd between -1e100 and 1e100
        and (impact_score is not null or created_at < %(now)s - interval '24 hours')
)
select coalesce(quest_name, quest_id), sum(cost_usd) filter (where wasted) as usd,
    sum(cost_usd) filter (where wasted) / sum(cost_usd) as share
from outcome join quest_budget_allocations using (quest_id)
where day = %(today)s
group by quest_id, quest_name
having sum(cost_usd) filter (where wasted) > 0.25 * sum(cost_usd)
order by share desc
limit 1
