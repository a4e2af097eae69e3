-- What does each quest spend, by window, and what is its budget of today?
select quest, answer."window", cast(answer.figure as double precision) as ledger_quest_spend_usd
from (
    select
        quest_id as quest,
        coalesce(sum(cost_usd) filter (where created_at >= midnight), 0) as today,
        coalesce(sum(cost_usd) filter (where created_at >= midnight - interval '6 days'), 0) as week,
        coalesce(sum(cost_usd) filter (where created_at >= midnight - interval '29 days'), 0) as month,
        sum(cost_usd) as ever,
        (
            select sum(allocated_usd) from quest_budget_allocations
            where quest_budget_allocations.quest_id = cost_ledger.quest_id
                and day = (select max(day) from quest_budget_allocations where day <= cast(now() at time zone 'UTC' as date))
        ) as budget
    from cost_ledger, (select date_trunc('day', now(), 'UTC') as midnight) as clock
    group by quest_id
) as spend
cross join lateral (
    values ('today', today), ('7d', week), ('30d', month), ('all', ever), ('budget', budget)
) as answer ("window", figure)
