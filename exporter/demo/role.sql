-- The exporter's role: it may log in and read the three ledgers, nothing else, and it cannot hold anybody up.
-- Run as the owner of the tables; then set a password, for instance with \password ledger_exporter in psql.
create role ledger_exporter login noinherit connection limit 8;

grant usage on schema public to ledger_exporter;
grant select on cost_ledger, impact_ledger, quest_budget_allocations to ledger_exporter;

-- Belt and braces: the exporter opens read-only transactions with timeouts of its own.
alter role ledger_exporter set default_transaction_read_only = on;
alter role ledger_exporter set statement_timeout = '30s';
alter role ledger_exporter set lock_timeout = '2s';
alter role ledger_exporter set idle_in_transaction_session_timeout = '60s';
