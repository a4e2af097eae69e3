-- The rows above an id and outside a range of instants, each with its instant, in order of their ids.
select id, {instant} from ({mapped}) as ledger
where id > %(floor)s and {condition}
    and (instant < %(start)s::timestamptz or instant >= %(end)s::timestamptz)
order by id limit %(size)s
