-- Whether a relation this transaction has locked was rewritten after its snapshot was taken: a part of state.sql.
exists (
    select 1 from pg_locks join pg_class on pg_class.oid = pg_locks.relation
    where pg_locks.pid = pg_backend_pid() and pg_locks.locktype = 'relation'
        and pg_class.relkind = 'r' and pg_class.relfilenode not in (0, pg_relation_filenode(pg_class.oid))
)
