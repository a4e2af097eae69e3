-- The quest with the most outcomes of the last 24 hours that nobody has scored, and how many wait in all.
with pending as (
    select quest_id, count(*) as outcomes, sum(cost_usd) as usd
    from impact_ledger
    where impact_score is null and created_at > %(now)s - interval '24 hours' and created_at <= %(now)s
        and cost_usd between -1e100 and 1e100
    group by quest_id
)
select coalesce(quest_name, quest_id), outcomes, usd, (select sum(outcomes) from pending)
from pending join quest_budget_allocations using (quest_id)
where day = %(today)s
order by outcomes desc
limit 1
