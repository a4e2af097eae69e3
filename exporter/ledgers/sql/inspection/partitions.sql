-- The partitions that hold the rows of a partitioned table.
select format('%%I.%%I', schema.nspname, class.relname)
from pg_partition_tree(to_regclass(%(relation)s)) as partition
    join pg_class as class on class.oid = partition.relid
    join pg_namespace as schema on schema.oid = class.relnamespace
where partition.isleaf
order by 1
