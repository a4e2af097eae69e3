-- Whether this is still the server and relation read before; which transactions this snapshot sees (all before xmin, none from
-- xmax on); the oldest instant of the ledger; how many rows have none; the largest id; how many rows were ever inserted, updated
-- and deleted, as the server has counted so far; whether the relation was rewritten after the snapshot was taken, and looks empty.
select
    {identity}, {xmin}, {xmax},
    (select {instant} from (select min(instant) as instant from ({mapped}) as ledger where {finite}) as oldest where instant < '9999-12-31Z'),
    (select count(*) from ({mapped}) as ledger where {unplaced}),
    {largest_id},
    {counts},
    {rewritten}
