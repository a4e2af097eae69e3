-- The type of the ids: a part of probe.sql.
pg_typeof((select id from ({mapped}) as ledger limit 1))::text
