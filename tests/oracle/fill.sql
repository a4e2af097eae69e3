-- Fill the labelled tables from the accepted rows, nothing folded yet.

truncate charge, outcome, allocation;

insert into charge
select
    c.created_at, c.day, c.task_id, t.label, c.quest_id, c.model,
    coalesce(p.label, 'unknown'), coalesce(m.label, 'unknown'), coalesce(q.label, 'unknown'),
    coalesce(p.label, 'unknown'), coalesce(m.label, 'unknown'), coalesce(q.label, 'unknown'),
    null, null,
    coalesce(c.tokens_in, 0), coalesce(c.tokens_out, 0), c.cost_usd
from accepted_cost as c
left join provider_name as p on p.raw = c.provider
left join model_name as m on m.raw = c.model
left join quest_name as q on q.raw = c.quest_id
left join task_name as t on t.raw = c.task_id;

insert into outcome
select
    i.created_at, i.day, i.task_id, i.title,
    coalesce(q.label, 'unknown'), coalesce(l.label, 'unknown'), null,
    coalesce(i.total_tokens, 0), i.cost_usd, i.impact_score::text::numeric, null, null
from accepted_impact as i
left join quest_name as q on q.raw = i.quest_id
left join layer_name as l on l.raw = i.layer;

insert into allocation
select
    b.day, coalesce(q.label, 'unknown'), b.allocated_usd,
    case when b.spent_usd between -1e100 and 1e100 then b.spent_usd end
from accepted_budget as b
left join quest_name as q on q.raw = b.quest_id;
