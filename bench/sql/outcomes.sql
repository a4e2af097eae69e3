-- The outcomes of the tasks numbered from first to last, evenly spaced so that the last is booked at `until`.
-- Of a hundred tasks six come to nothing and one is never scored; of those of the last 23 hours, three in ten await their score.
insert into impact_ledger (created_at, updated_at, task_id, title, quest_id, layer, total_tokens, cost_usd, impact_score)
select
    created_at,
    least(created_at + interval '6 hours', %(now)s::timestamptz),
    'task-' || lpad(task::text, 9, '0'),
    'Task ' || task,
    'quest-' || lpad(floor(%(quests)s * power((task_hash >> 8) %% 65536 / 65536.0::double precision, 2))::text, 4, '0'),
    (array['Agora', 'Exchange', 'Forge', 'Atlas', 'Senate'])[1 + task %% 5],
    5000 + task_hash %% 30000,
    (5000 + task_hash %% 30000) * 0.000004,
    case
        when created_at > %(now)s::timestamptz - interval '23 hours' and (task_hash >> 3) %% 10 < 3 then null
        when created_at < %(now)s::timestamptz - interval '25 hours' and task_hash %% 100 = 99 then null
        when task_hash %% 100 < 6 then 0.25
        else 0.75 + (task_hash >> 5) %% 16 / 4.0
    end
from (
    select
        task,
        hashint8extended(task, 2) & 2147483647 as task_hash,
        %(until)s::timestamptz - make_interval(secs => (%(last)s - task) * %(spacing_seconds)s::double precision) as created_at
    from generate_series(%(first)s::bigint, %(last)s::bigint) as task
) as numbered
