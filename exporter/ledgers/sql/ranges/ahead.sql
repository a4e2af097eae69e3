-- How many rows a range has, at most so many, and the newest of these oldest ones: where to cut going forwards.
select count(*), (extract(epoch from max(instant)) * 1000000)::bigint
from (select instant from ({rows}) as ledger order by instant limit %(size)s) as oldest
