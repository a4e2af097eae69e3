-- What does each provider cost, by window?
select provider, answer."window", cast(answer.figure as double precision) as ledger_provider_spend_usd
from (
    select
        provider,
        coalesce(sum(cost_usd) filter (where created_at >= midnight), 0) as today,
        coalesce(sum(cost_usd) filter (where created_at >= midnight - interval '6 days'), 0) as week,
        coalesce(sum(cost_usd) filter (where created_at >= midnight - interval '29 days'), 0) as month,
        sum(cost_usd) as ever
    from cost_ledger, (select date_trunc('day', now(), 'UTC') as midnight) as clock
    group by provider
) as spend
cross join lateral (values ('today', today), ('7d', week), ('30d', month), ('all', ever)) as answer ("window", figure)
