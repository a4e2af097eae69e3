-- The cost ledger in its reference columns. Money travels as text: exact, and a floating-point number in its shortest form.
select
    ({id}) as id,
    ({created_at})::timestamptz as instant,
    {version} as version,
    ({quest_id})::text as quest,
    ({provider})::text as provider,
    ({model})::text as model,
    ({task_id})::text as task,
    ({cost_usd})::text as usd,
    ({tokens_in}) as tokens_in,
    ({tokens_out}) as tokens_out
from {relation}
