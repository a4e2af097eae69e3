-- Where else there is a relation of this name: the search path may not lead there.
select format('%%I.%%I', schema.nspname, class.relname)
from pg_class as class join pg_namespace as schema on schema.oid = class.relnamespace
where class.relkind in ('r', 'p', 'v', 'm', 'f')
    and lower(class.relname) = lower((parse_ident(%(relation)s))[array_upper(parse_ident(%(relation)s), 1)])
    and schema.nspname not in ('pg_catalog', 'information_schema')
order by 1
limit 5
