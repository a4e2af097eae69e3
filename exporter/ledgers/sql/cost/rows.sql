-- The cost ledger in its reference columns; what is not finite becomes NULL, so a row is accepted where day and usd are not.
select
    instant,
    case when instant > '-infinity' and instant < 'infinity'
        then (instant at time zone 'UTC')::date - date '1970-01-01' end as day,
    case when cost between -1e100 and 1e100 then cost end as usd,
    nullif(provider, '') as provider,
    nullif(model, '') as model,
    nullif(task, '') as task,
    nullif(quest, '') as quest,
    coalesce(tokens_in, 0) as tokens_in,
    coalesce(tokens_out, 0) as tokens_out
from (
    select
        ({created_at})::timestamptz as instant,
        ({cost_usd})::numeric as cost,
        ({provider})::text as provider,
        ({model})::text as model,
        ({task_id})::text as task,
        ({quest_id})::text as quest,
        ({tokens_in})::bigint as tokens_in,
        ({tokens_out})::bigint as tokens_out
    from {relation}
) as ledger
