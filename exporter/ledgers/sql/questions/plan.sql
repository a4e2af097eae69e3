-- How a minute of the ledger would be found.
explain (format json) select count(*) from ({mapped}) as ledger where {condition}
