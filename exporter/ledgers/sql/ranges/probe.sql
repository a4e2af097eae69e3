-- Which functions the server has, and what type the ids have. Where rows are on other machines (Citus, YugabyteDB) a snapshot of
-- this one does not tell which transactions may still bring some.
select
    (
        select count(distinct proname) = 3 from pg_proc
        where proname in ('pg_postmaster_start_time', 'pg_is_in_recovery', 'pg_relation_filenode')
    ),
    exists (select from pg_proc where proname = 'pg_current_snapshot')
        and not exists (select from pg_extension where extname = 'citus') and position('-YB-' in version()) = 0,
    {id_type}
