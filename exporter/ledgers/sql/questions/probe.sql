-- What the server has that PostgreSQL has, and what type the ids have. CockroachDB has nothing of it, whatever functions it may
-- list: its plans, its snapshots and its servers are others. Where rows are on other machines (Citus, YugabyteDB) a snapshot of
-- this one does not tell which transactions may still bring some.
select
    like_postgresql,
    like_postgresql and (
        select count(distinct proname) = 3 from pg_proc
        where proname in ('pg_postmaster_start_time', 'pg_is_in_recovery', 'pg_relation_filenode')
    ),
    like_postgresql and exists (select 1 from pg_proc where proname = 'pg_current_snapshot')
        and not exists (select 1 from pg_extension where extname = 'citus') and position('-YB-' in version()) = 0,
    {id_type}
from (select position('CockroachDB' in version()) = 0 as like_postgresql) as server
