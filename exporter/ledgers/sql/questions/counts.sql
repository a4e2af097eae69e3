-- How many rows the server has counted as inserted, updated and deleted, over all partitions: a part of state.sql.
(
    select array[
        count(*),
        coalesce(sum(pg_stat_get_tuples_inserted(relid)), 0)::bigint,
        coalesce(sum(pg_stat_get_tuples_updated(relid)), 0)::bigint,
        coalesce(sum(pg_stat_get_tuples_deleted(relid)), 0)::bigint
    ]
    from pg_partition_tree(to_regclass(%(relation)s))
)
