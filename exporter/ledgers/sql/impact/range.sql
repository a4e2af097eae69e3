-- The outcomes of a range, one row each; the title only where it may be shown.
select {id}, {instant}, {fingerprint}, quest, layer, task, case when %(titled)s then title end, usd, score, tokens
from ({mapped}) as ledger
where {condition}
{order}
