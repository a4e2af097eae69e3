-- How a minute of the ledger would be found.
explain (format json) select count(*) from ({rows}) as ledger
