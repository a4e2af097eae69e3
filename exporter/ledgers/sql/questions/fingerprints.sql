-- How many rows each of neighbouring ranges has, and the sum of their fingerprints. Ranges are numbered from 1 on; one without
-- rows is left out. The starts are selected: text becomes an instant by the settings of a session, so that the server would do it
-- for each row again.
select width_bucket(instant, (select %(starts)s::text[]::timestamptz[])), count(*), sum({fingerprint})
from ({mapped}) as ledger
where {condition}
group by 1
