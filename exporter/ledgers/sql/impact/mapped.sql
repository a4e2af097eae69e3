-- The impact ledger in its reference columns. Money and scores travel as text: exact, and a floating-point number in its shortest
-- form.
select
    ({id}) as id,
    ({created_at})::timestamptz as instant,
    ({updated_at})::timestamptz as updated,
    {version} as version,
    ({quest_id})::text as quest,
    ({layer})::text as layer,
    ({task_id})::text as task,
    left(({title})::text, 300) as title,
    ({cost_usd})::text as usd,
    ({impact_score})::text as score,
    ({total_tokens}) as tokens
from {relation}
