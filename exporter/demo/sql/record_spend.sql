-- The platform's own count of what each quest has spent on a day: what it was charged, less what it has not heard of yet.
update quest_budget_allocations as allocation
set spent_usd = round(charged.usd * 0.99, 2)
from (
    select quest_id, sum(cost_usd) as usd
    from cost_ledger
    where created_at >= %(start)s and created_at < %(start)s + interval '1 day' and cost_usd between -1e100 and 1e100
    group by quest_id
) as charged
where allocation.day = (%(start)s at time zone 'UTC')::date and allocation.quest_id = charged.quest_id
    and allocation.spent_usd is distinct from round(charged.usd * 0.99, 2)
