-- The quest that has gone furthest beyond today's budget.
select coalesce(quest_name, quest_id), sum(cost_usd) as usd, allocated_usd
from quest_budget_allocations join cost_ledger using (quest_id)
where day = %(today)s and created_at >= %(midnight)s and created_at <= %(now)s
    and cost_usd between -1e100 and 1e100 and allocated_usd between 0.01 and 1e100
group by quest_id, quest_name, allocated_usd
having sum(cost_usd) > allocated_usd
order by sum(cost_usd) / allocated_usd desc
limit 1
