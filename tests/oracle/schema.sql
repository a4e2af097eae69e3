-- The three ledgers in the names and types of the reference schema. No constraints: real ledgers are dirty.

create table cost_ledger (
    id bigint,
    created_at timestamptz,
    provider text,
    model text,
    task_id text,
    quest_id text,
    tokens_in bigint,
    tokens_out bigint,
    cost_usd numeric
);

create table impact_ledger (
    id bigint,
    created_at timestamptz,
    updated_at timestamptz,
    task_id text,
    title text,
    quest_id text,
    layer text,
    total_tokens bigint,
    cost_usd numeric,
    impact_score double precision
);

create table quest_budget_allocations (
    quest_id text,
    quest_name text,
    day date,
    allocated_usd numeric,
    spent_usd numeric
);
