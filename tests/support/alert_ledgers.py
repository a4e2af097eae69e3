"""Ledgers in which no alert fires, and a charge that makes one fire."""

from __future__ import annotations

HISTORY = """
-- Ten healthy days. `reference` is so large that no incident of another quest shows in its provider, its layer or the platform.
create temporary table quest (id text, budget numeric);
insert into quest values ('reference', 1e7), ('tau', 50), ('burning', 1000), ('wasteful', 60), ('drifting', 60);

insert into quest_budget_allocations
select id, initcap(id), (now() at time zone 'UTC')::date - age, budget, case when age > 0 then budget * 0.7 end
from quest, generate_series(0, 9) as age;

insert into cost_ledger
select null, date_trunc('day', now(), 'UTC') - age * interval '1 day' + interval '12 hours', 'bedrock/claude-3', 'claude-3',
       null, id, budget * 1000, budget * 10, budget * 0.7
from quest, generate_series(1, 9) as age;

insert into cost_ledger
select null, date_trunc('day', now(), 'UTC') - age * interval '1 day' + interval '12 hours', 'glm-4.6', 'glm-4.6',
       null, 'reference', 100000, 1000, 100
from generate_series(1, 9) as age;

insert into impact_ledger
select null, date_trunc('day', now(), 'UTC') - age * interval '1 day' + interval '12 hours', null, id || age || '-' || n,
       'Task', id, 'Forge', 50000, budget * 0.07, 4
from quest, generate_series(1, 9) as age, generate_series(1, 10) as n;
"""


def charge(
    usd: str, quest: str = "reference", task: str = "null", provider: str = "bedrock/claude-3", model: str = "claude-3"
) -> str:
    """Book a charge at list price."""
    return (
        f"insert into cost_ledger values (-1, now(), '{provider}', '{model}', {task}, '{quest}',"
        f" {usd} * 1000, {usd} * 10, {usd})"
    )
