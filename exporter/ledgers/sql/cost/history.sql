-- What was charged in a range, by the step at which it is first seen, day, provider, model and quest, refunds apart, tasks in a
-- list. Step n is n times so many seconds after the first; what is older than the first is seen at it.
with charge as ({rows}),
charged as (
    select
        greatest(0, ceil(extract(epoch from instant - %(first)s::timestamptz) / %(seconds)s::float8))::bigint as step,
        greatest(day, %(oldest)s) as day,
        provider, model, quest, task, usd < 0 as refund,
        count(*) as charges, sum(usd) as usd, sum(tokens_in) as tokens_in, sum(tokens_out) as tokens_out,
        min(instant) as oldest, max(instant) as newest
    from charge
    where usd is not null
    group by 1, 2, 3, 4, 5, 6, 7
)
select
    step, day, provider, model, quest, array_agg(task) filter (where task is not null), refund,
    sum(charges)::bigint, sum(usd), sum(tokens_in), sum(tokens_out),
    (extract(epoch from min(oldest)) * 1000000)::bigint,
    (extract(epoch from max(newest)) * 1000000)::bigint
from charged
group by 1, 2, 3, 4, 5, 7
order by 1
