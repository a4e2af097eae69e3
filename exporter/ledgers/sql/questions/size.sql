-- How many rows the ledger has, as the planner believes.
explain (format json) select instant from ({mapped}) as ledger where {condition}
