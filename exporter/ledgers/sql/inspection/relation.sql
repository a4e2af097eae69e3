-- What a relation is: its name in full, its schema, its kind, whether other tables inherit from it, whether it may be read, and
-- how it could be written.
select
    format('%%I.%%I', schema.nspname, class.relname),
    quote_ident(schema.nspname),
    class.relkind::text,
    class.relkind = 'r' and exists (select 1 from pg_inherits where pg_inherits.inhparent = class.oid),
    has_table_privilege(class.oid, 'select'),
    has_any_column_privilege(class.oid, 'select'),
    array_remove(array[
        case when has_any_column_privilege(class.oid, 'insert') then 'INSERT' end,
        case when has_any_column_privilege(class.oid, 'update') then 'UPDATE' end,
        case when has_table_privilege(class.oid, 'delete') then 'DELETE' end,
        case when has_table_privilege(class.oid, 'truncate') then 'TRUNCATE' end
    ], null)
from pg_class as class join pg_namespace as schema on schema.oid = class.relnamespace
where class.oid = to_regclass(%(relation)s)
