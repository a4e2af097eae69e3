-- Scores arrive for the outcomes that have waited longest.
update impact_ledger set impact_score = 1.5, updated_at = clock_timestamp()
where id in (
    select id from impact_ledger
    where impact_score is null and created_at > clock_timestamp() - interval '23 hours'
    order by created_at limit %(outcomes)s
)
