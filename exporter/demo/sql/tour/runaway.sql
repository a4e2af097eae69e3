-- The unfinished task with the most charges since yesterday.
select charge.task_id, max(coalesce(quest_name, quest_id)), count(*), sum(cost_usd) as usd, sum(tokens_in + tokens_out) as tokens
from cost_ledger as charge left join quest_budget_allocations using (quest_id)
where day = %(today)s and created_at >= %(midnight)s - interval '1 day' and created_at <= %(now)s
    and cost_usd between -1e100 and 1e100
    and not exists (select from impact_ledger as outcome where outcome.task_id = charge.task_id)
group by charge.task_id
having count(*) > 50
order by count(*) desc
limit 1
