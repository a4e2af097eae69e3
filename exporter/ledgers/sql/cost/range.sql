-- The charges of a range, one row each.
select {id}, {instant}, {fingerprint}, quest, provider, model, task, usd, tokens_in, tokens_out
from ({mapped}) as ledger
where {condition}
{order}
