-- What real ledgers hold too: rows that cannot be counted, and labels nobody would choose.
insert into cost_ledger (created_at, provider, model, task_id, quest_id, tokens_in, tokens_out, cost_usd) values
    (%(at)s, 'MiniMax-M2', 'MiniMax-M2', 'TAU-RETRY-1', 'tau-spread', 41200, 2100, 'NaN'),
    (%(at)s, 'codex-mini', 'codex-mini', 'ENZ-RETRY-1', 'enzyme-design', 18000, 900, 'NaN'),
    (%(at)s, 'glm-4.6', 'glm-4.6', 'TAU-RETRY-2', 'tau-spread', 7300, null, null),
    (%(at)s, null, null, null, 'lit-synthesis-bio', null, null, null),
    ('infinity', 'bedrock/claude-3-haiku', 'claude-3-haiku', 'LIB-RETRY-1', 'lit-synthesis-bio', 5200, 260, 0.0021),
    (%(at)s, 'openai/gpt-4.1-mini', E'gpt-4.1 "mini"\n\U0001F9EA', null, 'sandbox-7f3a', 1200, 80, 0.0006);
insert into impact_ledger (created_at, updated_at, task_id, title, quest_id, layer, total_tokens, cost_usd, impact_score) values
    (%(at)s, %(at)s, 'SBX-ODD-1', E'Try "quotes", back\\slash\nand a \U0001F9EA', 'sandbox-7f3a', 'Forge', 90210, 0.04, 1.5),
    (%(at)s, %(at)s, 'TAU-RETRY-1', 'Map tau strains in mouse lines', 'tau-spread', 'Atlas', 43300, 'NaN', 2.5),
    (%(at)s, %(at)s, 'ENZ-RETRY-1', 'Benchmark inverse folding', 'enzyme-design', 'Forge', 18900, 0.03, 'NaN'),
    (%(at)s, %(at)s, 'LIB-RETRY-1', null, 'lit-synthesis-bio', null, null, null, null);
insert into quest_budget_allocations (quest_id, quest_name, day, allocated_usd, spent_usd)
    values ('sandbox-old', 'Retired Sandbox', (%(at)s::timestamptz at time zone 'UTC')::date, 'NaN', null);
