-- The instant that cuts off the newest rows of a range, and how many there are: at most so many.
select count(*), min({instant}) from (
    select instant from ({mapped}) as ledger where {condition} order by {by} desc limit %(size)s
) as newest
