-- The model whose price a million tokens has risen most: the last 3 days against the week that ended 10 days ago.
with price as (
    select model, created_at > %(midnight)s - interval '3 days' as late, sum(cost_usd) / sum(tokens_in + tokens_out) * 1e6 as usd
    from cost_ledger
    where tokens_in + tokens_out > 0 and cost_usd between -1e100 and 1e100 and created_at <= %(now)s and model is not null
        and (created_at > %(midnight)s - interval '3 days'
            or created_at between %(midnight)s - interval '17 days' and %(midnight)s - interval '10 days')
    group by 1, 2
)
select model, before.usd, after.usd
from (select * from price where not late) as before join (select * from price where late) as after using (model)
where after.usd > before.usd * 1.2
order by after.usd / before.usd desc
limit 1
