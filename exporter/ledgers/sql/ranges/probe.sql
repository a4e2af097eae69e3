-- Which functions the server has, and what type the ids have.
select
    (
        select count(distinct proname) = 3 from pg_proc
        where proname in ('pg_postmaster_start_time', 'pg_is_in_recovery', 'pg_relation_filenode')
    ),
    exists (select from pg_proc where proname = 'pg_current_snapshot'),
    {id_type}
