-- A small ledger of everything that matters: five providers and one without a name, refunds, rows that are rejected, an old
-- quest, two quests of one name, labels that need cleaning, pending, settled and wasted outcomes. It is 12:00 on 2026-04-10.

insert into quest_budget_allocations (quest_id, quest_name, day, allocated_usd, spent_usd) values
    ('q-1', 'Protein "folding"', '2026-04-10', 20.50, 12.25),
    ('q-1', 'Protein "folding"', '2026-04-10',  4.50, null),
    ('q-1', 'Protein folding',   '2026-04-09', 25.00, 24.75),
    ('q-2', 'Twin',              '2026-04-10', 10.00, null),
    ('q-2', 'Twin',              '2026-04-09', 10.00, 3.10),
    ('q-3', 'Twin',              '2026-04-10',  5.00, 0),
    ('q-4', null,                '2026-03-01',  7.00, 9.00),
    ('q-5', 'Tomorrow',          '2026-04-11',  1.00, null),
    ('q-1', 'Protein folding',   '2026-04-08', 'NaN', 1.00),
    ('q-1', 'Protein folding',   null,          1.00, 1.00);

insert into cost_ledger (id, created_at, provider, model, task_id, quest_id, tokens_in, tokens_out, cost_usd) values
    (1,  '2026-04-10 11:59:59.999999Z', 'bedrock/claude-3', 'claude-3', 't-1', 'q-1', 1000, 200,  0.30),
    (2,  '2026-04-10 00:00:00Z',        'MiniMax-M2',       'M2',       't-1', 'q-1',  500, 100,  0.10),
    (3,  '2026-04-09 23:59:59.999999Z', 'max',              'M2',       't-2', 'q-2',  400,  50,  0.07),
    (4,  '2026-04-05 08:00:00Z',        'codex-mini',       'mini',     't-3', 'q-2', 9000, 100,  1.25),
    (5,  '2026-04-05 09:00:00Z',        'codex-mini',       'mini',     't-3', 'q-2',    0,   0, -0.25),
    (6,  '2026-03-12 00:00:00Z',        'zhipu/glm-4',      'glm-4',    't-4', null,   700,  70,  0.70),
    (7,  '2026-03-11 23:59:59Z',        'zhipu/glm-4',      'glm-3',    't-5', 'q-4', 7000, 700,  7.00),
    (8,  '2026-04-10 06:00:00Z',        'somewhere else',   E'odd\n"\\model', null, 'q-9', null, null, 0.0000000001),
    (9,  '2026-04-10 06:00:00Z',        null,               null,       't-6', 'q-3',    1,   1,  2.00),
    (10, '2026-04-10 18:00:00Z',        'bedrock/claude-3', 'claude-3', 't-7', 'q-1',   10,  10,  0.50),
    (11, '2026-04-11 00:00:00Z',        'bedrock/claude-3', 'claude-3', 't-8', 'q-1',   10,  10, 99.00),
    (12, '2026-04-10 06:00:00Z',        'bedrock/claude-3', 'claude-3', 't-9', 'q-1',   10,  10, 'NaN'),
    (13, 'infinity',                    'bedrock/claude-3', 'claude-3', 't-9', 'q-1',   10,  10,  1.00);

insert into impact_ledger (id, created_at, task_id, title, quest_id, layer, total_tokens, cost_usd, impact_score) values
    (1, '2026-04-10 11:00Z', 't-1', 'A title with "quotes"',  'q-1', 'Agora',    1200, 0.40, 3),
    (2, '2026-04-09 11:00Z', 't-2', 'Cheap and good',         'q-2', 'Exchange',  450, 0.07, 0.75),
    (3, '2026-04-05 10:00Z', 't-3', 'Burnt',                  'q-2', 'Forge',    9100, 1.00, 0.5),
    (4, '2026-04-10 10:00Z', 't-6', 'Not scored yet',         'q-3', 'Atlas',    2000, 2.00, null),
    (5, '2026-04-08 10:00Z', 't-7', 'Never scored',           'q-3', 'Senate',   5000, 0.90, null),
    (6, '2026-03-01 10:00Z', 't-5', null,                     'q-4', null,       7700, 7.00, 0),
    (7, '2026-04-10 09:00Z', 't-8', 'Judged beyond measure',  'q-1', 'Agora',    1000, 1.00, 'Infinity'),
    (8, '2026-04-07 09:00Z', 't-2', 'Cheap and good, again',  'q-2', 'Exchange',  900, 0.30, 2);
