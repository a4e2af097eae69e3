-- A budget for every quest on each of the last days.
insert into quest_budget_allocations (quest_id, quest_name, day, allocated_usd, spent_usd)
select quest, quest, (%(now)s::timestamptz at time zone 'UTC')::date - ago, 40 + number %% 20, 30 + number %% 20
from generate_series(0, %(days)s - 1) as ago,
    generate_series(0, %(quests)s - 1) as number,
    lateral (select 'quest-' || lpad(number::text, 4, '0')) as named (quest)
