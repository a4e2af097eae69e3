-- The same as charges.sql for a range within one day, tasks gathered in a list: for ranges of which nobody asks what a single task
-- was charged. To tell the day of every row would take a tenth of the time.
with charge as ({rows}),
charged as (
    select
        provider, model, quest, task, usd < 0 as refund,
        count(*) as charges, sum(usd) as usd, sum(tokens_in) as tokens_in, sum(tokens_out) as tokens_out,
        min(least(instant, '9999-12-31Z')) as oldest, max(case when instant <= %(now)s then instant end) as newest
    from charge
    group by 1, 2, 3, 4, 5
)
select
    %(day)s::bigint, provider, model, quest, array_agg(task) filter (where task is not null), refund,
    sum(charges)::bigint, sum(usd), sum(tokens_in), sum(tokens_out),
    (extract(epoch from min(oldest)) * 1000000)::bigint,
    (extract(epoch from max(newest)) * 1000000)::bigint
from charged
group by 2, 3, 4, 6
