-- How many rows were updated in a span of time, and the sum of when: it changes where a row was updated again.
select count(*), coalesce(sum((extract(epoch from updated) * 1000000)::bigint), 0)
from ({rows}) as ledger
where updated > %(since)s::timestamptz and updated <= %(until)s::timestamptz
