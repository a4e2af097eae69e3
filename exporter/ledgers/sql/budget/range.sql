-- The allocations of a range, one row each.
select {id}, {instant}, {fingerprint}, quest, name, usd, recorded_usd
from ({mapped}) as ledger
where {condition}
{order}
