-- How many tokens does each provider charge, in and out, by window?
select provider, answer.token_type, answer."window", cast(answer.figure as double precision) as ledger_provider_tokens
from (
    select
        provider,
        coalesce(sum(tokens_in) filter (where created_at >= midnight), 0) as today_in,
        coalesce(sum(tokens_in) filter (where created_at >= midnight - interval '6 days'), 0) as week_in,
        coalesce(sum(tokens_in) filter (where created_at >= midnight - interval '29 days'), 0) as month_in,
        sum(tokens_in) as ever_in,
        coalesce(sum(tokens_out) filter (where created_at >= midnight), 0) as today_out,
        coalesce(sum(tokens_out) filter (where created_at >= midnight - interval '6 days'), 0) as week_out,
        coalesce(sum(tokens_out) filter (where created_at >= midnight - interval '29 days'), 0) as month_out,
        sum(tokens_out) as ever_out
    from cost_ledger, (select date_trunc('day', now(), 'UTC') as midnight) as clock
    group by provider
) as tokens
cross join lateral (
    values
        ('input', 'today', today_in), ('input', '7d', week_in), ('input', '30d', month_in), ('input', 'all', ever_in),
        ('output', 'today', today_out), ('output', '7d', week_out), ('output', '30d', month_out), ('output', 'all', ever_out)
) as answer (token_type, "window", figure)
