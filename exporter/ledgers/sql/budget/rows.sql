-- The budget ledger in its reference columns; what is not finite becomes NULL, so a row is accepted where day and usd are not.
select
    least(calendar_day, '9999-12-31')::timestamp at time zone 'UTC' as instant,
    case when calendar_day > '-infinity' and calendar_day < 'infinity'
        then calendar_day - date '1970-01-01' end as day,
    case when allocated between -1e100 and 1e100 then allocated end as usd,
    case when spent between -1e100 and 1e100 then spent end as recorded_usd,
    nullif(quest, '') as quest,
    nullif(name, '') as name
from (
    select
        ({day})::date as calendar_day,
        ({allocated_usd})::numeric as allocated,
        ({spent_usd})::numeric as spent,
        ({quest_id})::text as quest,
        ({quest_name})::text as name
    from {relation}
) as ledger
where {span}
