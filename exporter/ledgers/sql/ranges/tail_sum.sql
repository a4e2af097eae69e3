-- The rows above an id and outside a range of instants, told by their number and the sum of their ids.
select count(*), coalesce(sum(id), 0) from ({rows}) as ledger where id > %(floor)s and (instant < %(start)s::timestamptz or instant >= %(end)s::timestamptz)
