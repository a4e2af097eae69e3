-- How many rows were updated in a span of time.
select count(*) from ({rows}) as ledger where updated > %(since)s::timestamptz and updated <= %(until)s::timestamptz
