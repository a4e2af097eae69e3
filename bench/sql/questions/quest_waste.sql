-- What does each quest waste on tasks that burnt tokens and produced nothing, by window?
select quest, answer."window", cast(answer.figure as double precision) as ledger_quest_waste_usd
from (
    select
        quest_id as quest,
        coalesce(sum(cost_usd) filter (where created_at >= midnight), 0) as today,
        coalesce(sum(cost_usd) filter (where created_at >= midnight - interval '6 days'), 0) as week,
        coalesce(sum(cost_usd) filter (where created_at >= midnight - interval '29 days'), 0) as month,
        sum(cost_usd) as ever
    from impact_ledger, (select date_trunc('day', now(), 'UTC') as midnight) as clock
    where total_tokens > 1000 and (impact_score is null or impact_score <= 0.5)
    group by quest_id
) as waste
cross join lateral (values ('today', today), ('7d', week), ('30d', month), ('all', ever)) as answer ("window", figure)
