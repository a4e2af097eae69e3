-- What was charged, by day, provider, model and quest; of that what was refunded; and since when.
with charge as ({rows})
select
    greatest(day, %(oldest)s) as day, provider, model, quest,
    sum(usd), sum(tokens_in), sum(tokens_out), count(*),
    coalesce(sum(usd) filter (where usd < 0), 0),
    coalesce(sum(tokens_in) filter (where usd < 0), 0),
    coalesce(sum(tokens_out) filter (where usd < 0), 0),
    count(*) filter (where usd < 0),
    (extract(epoch from min(instant)) * 1000000)::bigint
from charge
where day <= %(today)s and usd is not null
group by 1, 2, 3, 4
