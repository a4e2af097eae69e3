-- The wasted outcomes of the last 30 days.
with outcome as ({rows})
select
    task, title, quest, layer, impact, usd, tokens, (extract(epoch from instant) * 1000000)::bigint,
    case when not unscored then 'low_impact' when pending then 'pending' else 'unscored' end as reason
from outcome
where day > %(oldest)s and day <= %(today)s and usd is not null and score_accepted and task is not null
    and tokens > %(min_tokens)s and (unscored or impact <= %(max_impact)s)
