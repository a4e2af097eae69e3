-- The rows updated since an instant, the latest first: which, when they were updated, and for when they are booked.
select id::text, (extract(epoch from least(updated, '9999-12-31Z')) * 1000000)::bigint, (extract(epoch from least(instant, '9999-12-31Z')) * 1000000)::bigint
from ({rows}) as ledger
where updated > %(since)s::timestamptz and updated < 'infinity'
order by updated desc limit %(size)s
