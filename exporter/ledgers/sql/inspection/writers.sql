-- Whose privileges let us write a relation: everyone's (PUBLIC), our own role's or those of roles it is in; whether these own
-- the relation; and by which of our own memberships we have them. A privilege on a column counts as well.
with relation as (
    select oid, relowner as owner, coalesce(relacl, acldefault('r', relowner)) as privileges
    from pg_class where oid = to_regclass(%(relation)s)
),
granted as (
    select granted.grantee, granted.privilege_type as privilege, relation.owner
    from relation cross join aclexplode(relation.privileges) as granted
    union
    select granted.grantee, granted.privilege_type, relation.owner
    from relation
        join pg_attribute as attribute on attribute.attrelid = relation.oid and not attribute.attisdropped
        cross join aclexplode(attribute.attacl) as granted
    union
    select pg_roles.oid, written.privilege, relation.owner
    from relation cross join pg_roles cross join unnest(array['INSERT', 'UPDATE', 'DELETE']) as written (privilege)
    where pg_roles.rolname = 'pg_write_all_data'
),
ours as (
    select granted.*, to_regrole(quote_ident(current_user))::oid as own
    from granted where granted.grantee = 0 or pg_has_role(granted.grantee, 'usage')
)
select
    case when grantee = 0 then 'PUBLIC' else quote_ident(pg_get_userbyid(grantee)) end,
    grantee = owner,
    array(
        select quote_ident(pg_get_userbyid(membership.roleid)) from pg_auth_members as membership
        where membership.member = ours.own and ours.grantee not in (0, ours.own)
            and pg_has_role(membership.roleid, ours.grantee, 'usage')
        order by 1
    ),
    array_agg(privilege order by privilege)
from ours
where privilege in ('INSERT', 'UPDATE', 'DELETE', 'TRUNCATE')
group by grantee, owner, own
order by grantee <> own, grantee = 0, 1
