-- What came of it in a range, by the step at which it is first seen, the one from which it is settled where it is unscored, day,
-- quest, layer and why it is waste. Steps are those of cost/history.sql.
with outcome as ({rows})
select
    greatest(0, ceil(extract(epoch from instant - %(first)s::timestamptz) / %(seconds)s::float8))::bigint as step,
    case when unscored then greatest(
        0, ceil((extract(epoch from instant - %(first)s::timestamptz) + %(grace)s::double precision) / %(seconds)s::float8)
    )::bigint end as settled,
    greatest(day, %(oldest)s), quest, layer,
    case
        when not (tokens > %(min_tokens)s and (unscored or impact <= %(max_impact)s)) then null
        when unscored then 'unscored'
        else 'low_impact'
    end as reason,
    count(*), sum(impact), sum(usd), sum(tokens),
    (extract(epoch from max(instant)) * 1000000)::bigint
from outcome
where usd is not null and score_accepted
group by 1, 2, 3, 4, 5, 6
order by 1
