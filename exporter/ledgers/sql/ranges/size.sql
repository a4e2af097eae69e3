-- How many rows the ledger has, as the planner believes.
explain (format json) select instant from ({rows}) as ledger
