-- What came of it in a range, by day, quest, layer, whether it is accepted, pending, and why it is waste.
with outcome as ({rows})
select
    day, quest, layer, usd is not null, score_accepted, pending,
    case
        when not (tokens > %(min_tokens)s and (unscored or impact <= %(max_impact)s)) then null
        when not unscored then 'low_impact'
        when pending then 'pending'
        else 'unscored'
    end as reason,
    count(*), sum(impact), sum(usd), sum(tokens),
    (extract(epoch from min(least(instant, '9999-12-31Z'))) * 1000000)::bigint,
    (extract(epoch from max(case when instant <= %(now)s then instant end)) * 1000000)::bigint
from outcome
group by 1, 2, 3, 4, 5, 6, 7
