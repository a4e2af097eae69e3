-- The newest instant of a range.
select (extract(epoch from max(instant)) * 1000000)::bigint from ({rows}) as ledger
