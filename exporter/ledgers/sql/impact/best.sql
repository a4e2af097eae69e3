-- The outcomes of the last 30 days that can be ranked by impact per dollar.
with outcome as ({rows})
select task, title, quest, layer, impact, usd, tokens, (extract(epoch from instant) * 1000000)::bigint, ''
from outcome
where day > %(oldest)s and day <= %(today)s and task is not null and usd > 0 and impact > 0
