-- The rows above an id and outside a range of instants, each with its instant.
select id, (extract(epoch from least(instant, '9999-12-31Z')) * 1000000)::bigint
from ({rows}) as ledger
where id > %(floor)s and (instant < %(start)s::timestamptz or instant >= %(end)s::timestamptz)
