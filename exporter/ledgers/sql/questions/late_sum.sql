-- The rows above an id: their number and the sum of their ids.
select count(*), coalesce(sum(id), 0) from ({mapped}) as ledger where id > %(floor)s and {condition}
