-- After the schema and the exporter's role: a password for the role, and nobody else in this database.
\set password `cat /run/secrets/exporter_password`
alter role ledger_exporter password :'password';

revoke connect, temporary on database platform from public;
grant connect on database platform to ledger_exporter;
