-- The accepted rows that count by now, with their labels. One line of `clock` says when each ledger was last read.

create temp table clock (ledger text primary key, now timestamptz, today date);

create temp view accepted_cost as
select raw.*, (created_at at time zone 'UTC')::date as day
from raw_cost as raw
where isfinite(created_at)
  and cost_usd between -1e100 and 1e100
  and (created_at at time zone 'UTC')::date <= (select today from clock where ledger = 'cost');

create temp view accepted_impact as
select raw.*, (created_at at time zone 'UTC')::date as day
from raw_impact as raw
where isfinite(created_at)
  and cost_usd between -1e100 and 1e100
  and (impact_score is null or impact_score::text not in ('NaN', 'Infinity', '-Infinity'))
  and (created_at at time zone 'UTC')::date <= (select today from clock where ledger = 'impact');

create temp view accepted_budget as
select raw.*
from raw_budget as raw
where isfinite(day)
  and allocated_usd between -1e100 and 1e100
  and day <= (select today from clock where ledger = 'budget');

-- What each raw text is called, as decided outside the database. NULL has no row: it is unknown.
create temp table provider_name (raw text, label text);
create temp table model_name (raw text, label text);
create temp table layer_name (raw text, label text);
create temp table quest_name (raw text, label text);
create temp table task_name (raw text, label text);

-- A charge. `own_*` are its labels before any folding, `pm_*` and `qp_*` those within a combination.
create temp table charge (
    created_at timestamptz, day date, task text, task_label text, quest_id text, raw_model text,
    own_provider text, own_model text, own_quest text,
    provider text, model text, quest text,
    pm_model text, qp_quest text,
    tokens_in numeric, tokens_out numeric, usd numeric
);

-- An outcome. `ql_quest` is its quest within the combination with its layer; `reason` is NULL unless it is waste.
create temp table outcome (
    created_at timestamptz, day date, task text, title text,
    quest text, layer text, ql_quest text,
    tokens numeric, usd numeric, impact numeric, settled boolean, reason text
);

-- An allocation. `recorded` is NULL where the ledger's own spend is not recorded.
create temp table allocation (day date, quest text, usd numeric, recorded numeric);
