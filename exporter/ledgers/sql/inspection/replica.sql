-- How far a replica is behind: whether it receives, whether all that it has received is replayed, and how old the newest
-- replayed transaction is, in seconds.
select
    exists (select 1 from pg_stat_wal_receiver),
    pg_last_wal_receive_lsn() is not distinct from pg_last_wal_replay_lsn(),
    extract(epoch from clock_timestamp() - pg_last_xact_replay_timestamp())::float8
