-- The cost ledger in its reference columns; what is not finite becomes NULL, so a row is accepted where day and usd are not.
select
    id,
    instant,
    case when instant > '-infinity' and instant < 'infinity'
        then (instant at time zone 'UTC')::date - date '1970-01-01' end as day,
    case when cost between -1e100 and 1e100 then cost end as usd,
    nullif(provider, '') as provider,
    nullif(model, '') as model,
    nullif(task, '') as task,
    nullif(quest, '') as quest,
    case when tokens_in between -9223372036854775808 and 9223372036854775807 then tokens_in::bigint else 0 end as tokens_in,
    case when tokens_out between -9223372036854775808 and 9223372036854775807 then tokens_out::bigint else 0 end as tokens_out
from (
    select
        ({id}) as id,
        ({created_at})::timestamptz as instant,
        ({cost_usd})::numeric as cost,
        ({provider})::text as provider,
        ({model})::text as model,
        ({task_id})::text as task,
        ({quest_id})::text as quest,
        ({tokens_in})::numeric as tokens_in,
        ({tokens_out})::numeric as tokens_out
    from {relation}
) as ledger
where {span}
