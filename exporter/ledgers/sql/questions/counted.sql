-- How many rows each of neighbouring ranges has. Ranges are numbered from 1 on; one without rows is left out.
select width_bucket(instant, %(starts)s::text[]::timestamptz[]), count(*)
from ({mapped}) as ledger
where {condition}
group by 1
