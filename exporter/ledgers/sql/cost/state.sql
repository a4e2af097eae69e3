-- How many rows the ledger has, which are left out and why, and which accepted one is the newest that is not after now.
with charge as ({rows})
select
    count(*),
    count(*) filter (where day is null) as instant,
    count(*) filter (where day is not null and usd is null) as cost,
    (extract(epoch from max(instant) filter (where day is not null and usd is not null and instant <= %(now)s)) * 1000000)::bigint
from charge
