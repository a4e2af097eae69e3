-- The quest without any allocation that has spent most in the last 7 days.
select quest_id, sum(cost_usd) as usd
from cost_ledger as charge
where created_at >= %(midnight)s - interval '6 days' and created_at <= %(now)s and cost_usd between -1e100 and 1e100
    and quest_id is not null
    and not exists (select from quest_budget_allocations as allocation where allocation.quest_id = charge.quest_id)
group by quest_id
order by usd desc
limit 1
