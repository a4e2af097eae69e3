-- The outcomes of a range that can be in a ranking: those of the first so many tasks, and some that are as good.
-- A quotient of numerics is rounded, so what is a hair below the last place is taken along; the caller compares exactly.
with outcome as materialized ({rows}),
accepted as (
    select
        task, title, quest, layer, impact, usd, tokens, instant,
        usd > 0 and impact > 0 as best,
        case
            when not (tokens > %(min_tokens)s and (unscored or impact <= %(max_impact)s)) then null
            when not unscored then 'low_impact'
            when pending then 'pending'
            else 'unscored'
        end as reason
    from outcome
    where day > %(oldest)s and day <= %(today)s and usd is not null and score_accepted and task is not null
),
candidate as materialized (
    select *, case when best then impact / usd end as ratio from accepted where best or reason is not null
)
select task, title, quest, layer, impact, usd, tokens, (extract(epoch from instant) * 1000000)::bigint, ''
from candidate
where best and ratio >= coalesce(
    (select max(ratio) * 0.999999999999 from candidate where best group by task order by 1 desc offset %(top_best)s - 1 limit 1), 0)
union all
select task, title, quest, layer, impact, usd, tokens, (extract(epoch from instant) * 1000000)::bigint, reason
from candidate
where reason is not null and tokens >= coalesce(
    (select max(tokens) from candidate where reason is not null group by task order by 1 desc offset %(top_wasted)s - 1 limit 1), 0)
