-- The tables a relation is made of: itself, or for a view those below it; and whether row level security applies to who reads
-- them, which below a view is the view's owner.
with recursive reading as (
    select to_regclass(%(relation)s)::oid as relation, to_regrole(quote_ident(current_user))::oid as reader
    union
    select
        dependency.refobjid,
        case
            when view.reloptions && array['security_invoker=true', 'security_invoker=on', 'security_invoker=1']
                then reading.reader
            else view.relowner
        end
    from reading
        join pg_class as view on view.oid = reading.relation and view.relkind = 'v'
        join pg_rewrite as rule on rule.ev_class = view.oid
        join pg_depend as dependency
            on dependency.classid = 'pg_rewrite'::regclass and dependency.objid = rule.oid
            and dependency.refclassid = 'pg_class'::regclass and dependency.refobjid <> view.oid
),
secured as (
    select
        reading.relation,
        bool_or(
            class.relrowsecurity and not reader.rolsuper and not reader.rolbypassrls
            and (class.relforcerowsecurity or not pg_has_role(reader.oid, class.relowner, 'usage'))
        ) as is_secured
    from reading
        join pg_class as class on class.oid = reading.relation
        join pg_roles as reader on reader.oid = reading.reader
    where class.relkind in ('r', 'p', 'm', 'f')
    group by 1
)
select format('%%I.%%I', schema.nspname, class.relname), class.relkind::text, secured.is_secured
from secured
    join pg_class as class on class.oid = secured.relation
    join pg_namespace as schema on schema.oid = class.relnamespace
order by 1
