-- For when the rows of the budget ledger are booked: who looks for rows needs no more.
select least(calendar_day, '9999-12-31')::timestamp at time zone 'UTC' as instant
from (select ({day})::date as calendar_day from {relation}) as ledger
where {span}
