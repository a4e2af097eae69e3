"""Allocation: which quests hold today's budget?"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from exporter.names.text import RESERVED, clean
from exporter.publishing.snapshot import Snapshot
from exporter.sums import day_seconds
from exporter.views.metric import Family, Metric

BUDGET = Metric(
    "ledger_quest_budget_usd",
    "Budget of a quest in US dollars: its allocations of the newest day in the budget ledger that is not after today.",
    ("quest",),
)
ALLOCATED = Metric(
    "ledger_quest_allocated_usd",
    "Sum of a quest's daily allocations in US dollars, by window.",
    ("quest", "window"),
)
BUDGET_DAY = Metric(
    "ledger_budget_day_timestamp_seconds",
    "The day whose allocations are the budget: its 00:00 UTC, in seconds since 1970.",
)
INFO = Metric(
    "ledger_quest_info",
    "Always 1: the id of each published quest, empty for other and unknown.",
    ("quest", "quest_id"),
)

METRICS = (BUDGET, ALLOCATED, BUDGET_DAY, INFO)


def families(snapshot: Snapshot) -> Iterator[Family]:
    """Yield the families of this view but `ledger_quest_info`, which needs all the others."""
    figures = snapshot.budget
    if figures is None:
        return
    budget, allocated, budget_day = BUDGET.family(), ALLOCATED.family(), BUDGET_DAY.family()
    for quest, usd in figures.budget.items():
        budget.add((quest,), usd)
    for key, window, allocation in figures.allocations.windows(figures.windows):
        allocated.add((*key, window), allocation.usd)
    if figures.budget_day is not None:
        budget_day.add((), day_seconds(figures.budget_day))
    yield from (budget, allocated, budget_day)


def quest_info(snapshot: Snapshot, published: Iterable[Family]) -> Family:
    """Return `ledger_quest_info` for every quest in the published families."""
    info = INFO.family()
    quests: set[str] = set()
    for family in published:
        quests |= family.values("quest")
    for quest in sorted(quests):
        info.add((quest, "" if quest in RESERVED else clean(snapshot.quest_ids[quest])), 1)
    return info
