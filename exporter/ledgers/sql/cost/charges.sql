-- What was charged in a range, by day, provider, model, quest and task, refunds apart; a group without usd is of rejected rows.
with charge as ({rows})
select
    day, provider, model, quest, task, usd < 0 as refund,
    count(*), sum(usd), sum(tokens_in), sum(tokens_out),
    (extract(epoch from min(least(instant, '9999-12-31Z'))) * 1000000)::bigint,
    (extract(epoch from max(case when instant <= %(now)s then instant end)) * 1000000)::bigint
from charge
group by 1, 2, 3, 4, 5, 6
