-- The rows updated after the latest update known, the latest first: which, when, and for when they are booked. Before them a row
-- with number and sum of the updates known before: these differ where a transaction has brought one late.
select
    null::text, count(*), coalesce(sum((extract(epoch from updated) * 1000000)::bigint), 0),
    null::timestamptz, null::timestamptz
from ({mapped}) as ledger
where updated > %(since)s::timestamptz and updated <= %(latest)s::timestamptz and {condition}
union all (
    select id::text, 0, 0, {updated}, {instant}
    from ({mapped}) as ledger
    where updated > %(latest)s::timestamptz and updated < 'infinity' and {condition}
    order by updated desc limit %(size)s
)
