-- Whether this is still the server and relation read before; which transactions this snapshot sees (all before xmin, none from
-- xmax on); the oldest instant of the ledger; how many rows have none; the largest id.
select
    {identity}, {xmin}, {xmax},
    (
        select (extract(epoch from oldest) * 1000000)::bigint
        from (select min(instant) as oldest from ({finite}) as ledger) as ledger where oldest < '9999-12-31Z'
    ),
    (select count(*) from ({unplaced}) as ledger),
    {largest_id}
