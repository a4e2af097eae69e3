-- The newest past day of the last 30 on which the platform as a whole spent more than it had allocated.
with spend as (
    select (created_at at time zone 'UTC')::date as day, sum(cost_usd) as usd
    from cost_ledger
    where created_at >= %(midnight)s - interval '29 days' and created_at < %(midnight)s and cost_usd between -1e100 and 1e100
    group by 1
), budget as (
    select day, sum(allocated_usd) as usd from quest_budget_allocations where allocated_usd between -1e100 and 1e100 group by 1
)
select day, spend.usd, budget.usd
from spend join budget using (day)
where spend.usd > budget.usd
order by day desc
limit 1
