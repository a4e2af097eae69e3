-- The instant that cuts off the oldest rows of a range, and how many there are: at most so many.
select count(*), max({instant}) from (
    select instant from ({mapped}) as ledger where {condition} order by {by} limit %(size)s
) as oldest
