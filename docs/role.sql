-- The exporter's role in a real database: it may log in and read the three ledgers, and nothing else.
--
--   psql --dbname=platform --file=docs/role.sql
--
-- Run it as a role that may create roles and grant on the three relations (their owner, or a superuser). Change the names
-- of the database, the schema and the relations where yours differ. Then set the password, which psql sends already hashed:
--
--   psql --dbname=platform --command='\password ledger_exporter'

begin;

create role ledger_exporter with login noinherit nosuperuser nocreatedb nocreaterole noreplication connection limit 5;

grant connect on database platform to ledger_exporter;
grant usage on schema public to ledger_exporter;
grant select on table public.cost_ledger to ledger_exporter;
grant select on table public.impact_ledger to ledger_exporter;
grant select on table public.quest_budget_allocations to ledger_exporter;

-- Defaults for every session of this role, whoever opens it. The exporter asks for read-only transactions itself and sets
-- its own, usually shorter timeouts in each of them.
alter role ledger_exporter set default_transaction_read_only = on;
alter role ledger_exporter set statement_timeout = '30s';
alter role ledger_exporter set lock_timeout = '2s';
alter role ledger_exporter set idle_in_transaction_session_timeout = '60s';

commit;
