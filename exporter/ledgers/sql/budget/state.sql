-- How many rows the ledger has, which are left out and why, and its newest day that is not after today.
with allocation as ({rows})
select
    count(*),
    count(*) filter (where day is null) as instant,
    count(*) filter (where day is not null and usd is null) as allocation,
    max(day) filter (where usd is not null and day <= %(today)s)
from allocation
