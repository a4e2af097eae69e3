-- The charges numbered from first to last, evenly spaced so that the last is booked at `until`.
-- A task is eight charges among a hundred tasks that run at a time; what is drawn is drawn by hash, so a number is always the same charge.
insert into cost_ledger (created_at, provider, model, task_id, quest_id, tokens_in, tokens_out, cost_usd)
select
    %(until)s::timestamptz - make_interval(secs => (%(last)s - number) * %(spacing_seconds)s::double precision),
    provider,
    provider || '-' || 1 + (charge_hash >> 24) %% 3,
    'task-' || lpad(task::text, 9, '0'),
    'quest-' || lpad(floor(%(quests)s * power((task_hash >> 8) %% 65536 / 65536.0::double precision, 2))::text, 4, '0'),
    tokens_in,
    tokens_out,
    (tokens_in + 4 * tokens_out) * 0.000003
from (
    select
        number,
        task,
        task_hash,
        charge_hash,
        -- A tenth of the charges goes to a provider that is not the task's own.
        case (task_hash + case when charge_hash %% 10 = 0 then 37 else 0 end) %% 100 / 5
            when 19 then 'other' when 18 then 'GLM' when 17 then 'GLM'
            when 16 then 'Bedrock' when 15 then 'Bedrock' when 14 then 'Bedrock' when 13 then 'Bedrock'
            when 12 then 'Codex' when 11 then 'Codex' when 10 then 'Codex' when 9 then 'Codex' when 8 then 'Codex'
            else 'MiniMax'
        end as provider,
        200 + (charge_hash >> 4) %% 4000 as tokens_in,
        50 + (charge_hash >> 14) %% 900 as tokens_out
    from (
        select
            number,
            number / 800 * 100 + number * 37 %% 100 as task,
            hashint8extended(number / 800 * 100 + number * 37 %% 100, 2) & 2147483647 as task_hash,
            hashint8extended(number, 1) & 2147483647 as charge_hash
        from generate_series(%(first)s::bigint, %(last)s::bigint) as number
    ) as numbered
) as drawn
