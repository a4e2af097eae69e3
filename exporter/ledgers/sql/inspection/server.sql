-- Which server this is, who we are there, and whether it is a replica.
select
    current_setting('server_version_num')::int,
    version(),
    current_user::text,
    quote_ident(current_user),
    coalesce((select rolsuper from pg_roles where rolname = current_user), false),
    pg_is_in_recovery()
