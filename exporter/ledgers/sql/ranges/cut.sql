-- How many rows a range has, at most so many, and the oldest of these newest ones: where to cut.
select count(*), (extract(epoch from min(instant)) * 1000000)::bigint
from (select instant from ({rows}) as ledger order by instant desc limit %(size)s) as newest
