-- The budget ledger in its reference columns. Money travels as text: exact, and a floating-point number in its shortest form.
select
    null::bigint as id,
    calendar_day,
    least(calendar_day, '9999-12-31')::timestamp at time zone 'UTC' as instant,
    version,
    quest,
    name,
    usd,
    recorded_usd
from (
    select
        ({day})::date as calendar_day,
        {version} as version,
        ({quest_id})::text as quest,
        ({quest_name})::text as name,
        ({allocated_usd})::text as usd,
        ({spent_usd})::text as recorded_usd
    from {relation}
) as booked
