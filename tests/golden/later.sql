-- What is booked in the minute after the first refresh: counters grow by the charge, not by the refund or the deletion.

insert into cost_ledger (id, created_at, provider, model, task_id, quest_id, tokens_in, tokens_out, cost_usd) values
    (20, '2026-04-10 12:00:30Z', 'bedrock/claude-3', 'claude-3', 't-10', 'q-1', 300, 30,  0.25),
    (21, '2026-04-10 12:00:40Z', 'MiniMax-M2',       'M2',       't-1',  'q-1',   0,  0, -0.05),
    (22, '2026-04-10 12:00:50Z', 'codex-max',        'max',      't-11', 'q-2', 600, 60,  0.60);

delete from cost_ledger where id = 4;
