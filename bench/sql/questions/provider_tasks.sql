-- How many distinct tasks does each provider charge, by window?
select provider, answer."window", cast(answer.figure as double precision) as ledger_provider_tasks
from (
    select
        provider,
        count(distinct task_id) filter (where created_at >= midnight) as today,
        count(distinct task_id) filter (where created_at >= midnight - interval '6 days') as week,
        count(distinct task_id) filter (where created_at >= midnight - interval '29 days') as month,
        count(distinct task_id) as ever
    from cost_ledger, (select date_trunc('day', now(), 'UTC') as midnight) as clock
    group by provider
) as tasks
cross join lateral (values ('today', today), ('7d', week), ('30d', month), ('all', ever)) as answer ("window", figure)
