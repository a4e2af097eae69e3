-- Whether every row has a version of its own (xmin), as in tables and partitions; views and foreign tables have none. Whether the
-- server counts what is done to the relation.
select
    coalesce(bool_and(class.relkind in ('r', 'm', 'p')), false),
    coalesce(bool_and(class.relkind in ('r', 'p')), false)
from pg_class as class
where class.oid = to_regclass(%(relation)s)
    or class.oid in (select relid from pg_partition_tree(to_regclass(%(relation)s)))
