-- The impact ledger in its reference columns; what is not finite becomes NULL, so a row is accepted where day and usd are
-- not NULL and the score is either absent or finite.
select
    id,
    instant,
    updated,
    case when instant > '-infinity' and instant < 'infinity'
        then (instant at time zone 'UTC')::date - date '1970-01-01' end as day,
    case when cost between -1e100 and 1e100 then cost end as usd,
    case when score between -1.7976931348623157e308 and 1.7976931348623157e308 then score end as impact,
    score is null as unscored,
    score is null or score between -1.7976931348623157e308 and 1.7976931348623157e308 as score_accepted,
    score is null and instant > %(settled_before)s as pending,
    case when tokens between -9223372036854775808 and 9223372036854775807 then tokens::bigint else 0 end as tokens,
    nullif(task, '') as task,
    nullif(title, '') as title,
    nullif(quest, '') as quest,
    nullif(layer, '') as layer
from (
    select
        ({id}) as id,
        ({updated_at})::timestamptz as updated,
        ({created_at})::timestamptz as instant,
        ({cost_usd})::numeric as cost,
        ({impact_score})::numeric as score,
        ({total_tokens})::numeric as tokens,
        ({task_id})::text as task,
        ({title})::text as title,
        ({quest_id})::text as quest,
        ({layer})::text as layer
    from {relation}
) as ledger
where {span}
