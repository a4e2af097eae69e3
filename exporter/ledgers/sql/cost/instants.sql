-- For when the rows of the cost ledger are booked: who looks for rows needs no more, and planning less takes less time.
select id, instant
from (select ({id}) as id, ({created_at})::timestamptz as instant from {relation}) as ledger
where {span}
