-- What was wasted: outcomes that burnt tokens and have no impact to show, by day, quest, layer and reason.
with outcome as ({rows})
select
    greatest(day, %(oldest)s) as day, quest, layer,
    case when not unscored then 'low_impact' when pending then 'pending' else 'unscored' end as reason,
    sum(usd), sum(tokens), count(*)
from outcome
where day <= %(today)s and usd is not null and score_accepted
    and tokens > %(min_tokens)s and (unscored or impact <= %(max_impact)s)
group by 1, 2, 3, 4
