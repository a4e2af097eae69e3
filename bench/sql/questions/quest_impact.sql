-- How much impact does each quest's dollar bring, by window? Outcomes count once they are scored or a day old.
select quest, answer."window", cast(answer.impact / answer.usd as double precision) as ledger_quest_impact_per_usd
from (
    select
        quest_id as quest,
        sum(impact_score) filter (where created_at >= midnight) as impact_today,
        sum(cost_usd) filter (where created_at >= midnight) as today,
        sum(impact_score) filter (where created_at >= midnight - interval '6 days') as impact_week,
        sum(cost_usd) filter (where created_at >= midnight - interval '6 days') as week,
        sum(impact_score) filter (where created_at >= midnight - interval '29 days') as impact_month,
        sum(cost_usd) filter (where created_at >= midnight - interval '29 days') as month,
        sum(impact_score) as impact_ever,
        sum(cost_usd) as ever
    from impact_ledger, (select date_trunc('day', now(), 'UTC') as midnight) as clock
    where impact_score is not null or created_at <= now() - interval '24 hours'
    group by quest_id
) as outcome
cross join lateral (
    values ('today', impact_today, today), ('7d', impact_week, week), ('30d', impact_month, month), ('all', impact_ever, ever)
) as answer ("window", impact, usd)
where answer.usd > 0 and answer.impact is not null
