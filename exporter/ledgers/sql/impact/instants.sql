-- For when the rows of the impact ledger are booked, and when they were updated: who looks for rows needs no more.
select id, instant, updated
from (
    select ({id}) as id, ({created_at})::timestamptz as instant, ({updated_at})::timestamptz as updated from {relation}
) as ledger
where {span}
