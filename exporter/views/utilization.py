"""Utilization: are we over or under budget, day by day?"""

from __future__ import annotations

from collections.abc import Iterator

from exporter.publishing.snapshot import BudgetFigures, CostFigures, Snapshot
from exporter.sums import RECENT_DAYS, WINDOWS, Spend, day_name
from exporter.views.metric import Family, Metric

SPEND = Metric(
    "ledger_quest_spend_usd",
    "Sum of the charges of a quest in US dollars, refunds deducted, from the cost ledger, by window.",
    ("quest", "window"),
)
RECORDED = Metric(
    "ledger_quest_recorded_spend_usd",
    "Spend of a quest in US dollars as the budget ledger itself records it, by window; absent where nothing is recorded.",
    ("quest", "window"),
)
DAY_BUDGET = Metric(
    "ledger_day_budget_usd",
    "Sum of all quests' allocations of a UTC day in US dollars, for the last 30 days; absent where there is none.",
    ("day",),
)
DAY_SPEND = Metric(
    "ledger_day_spend_usd",
    "Sum of all charges of a UTC day in US dollars, refunds deducted, for the last 30 days.",
    ("day",),
)
DAY_RECORDED = Metric(
    "ledger_day_recorded_spend_usd",
    "Spend of a UTC day in US dollars as the budget ledger records it, for the last 30 days; absent where nothing is recorded.",
    ("day",),
)

METRICS = (SPEND, RECORDED, DAY_BUDGET, DAY_SPEND, DAY_RECORDED)


def families(snapshot: Snapshot) -> Iterator[Family]:
    """Yield the families of this view."""
    if snapshot.cost is not None:
        yield _quest_spend(snapshot.cost, snapshot.budget)
        if "30d" in snapshot.cost.windows:
            yield _day_spend(snapshot.cost)
    if snapshot.budget is not None:
        yield from _by_day(snapshot.budget)
        yield _recorded(snapshot.budget)


def by_quest(snapshot: Snapshot) -> Iterator[Family]:
    """Yield the families without those that have the day as a label."""
    if snapshot.cost is not None:
        yield _quest_spend(snapshot.cost, snapshot.budget)
    if snapshot.budget is not None:
        yield _recorded(snapshot.budget)


def _quest_spend(cost: CostFigures, budget: BudgetFigures | None) -> Family:
    """Spend of each quest; 0 where a quest has a budget or an allocation and no charge."""
    family = SPEND.family()
    for (quest, *_), window, spend in cost.spend.by("quest").windows(cost.windows):
        family.add((quest, window), spend.usd)
    for quest, window in _budgeted(budget) if budget is not None else ():
        if window in cost.windows and (quest, window) not in family.samples:
            family.add((quest, window), Spend().usd)
    return family


def _budgeted(budget: BudgetFigures) -> set[tuple[str, str]]:
    """Return the (quest, window) pairs for which a spend of 0 is known rather than absent."""
    allocated = {(str(quest), window) for (quest, *_), window, _ in budget.allocations.windows(budget.windows)}
    return allocated | {(quest, window) for quest in budget.budget for window in WINDOWS}


def _day_spend(cost: CostFigures) -> Family:
    family = DAY_SPEND.family()
    overall = cost.spend.by()
    for day in range(cost.today - RECENT_DAYS + 1, cost.today + 1):
        family.add((day_name(day),), overall.total(day).usd)
    return family


def _by_day(budget: BudgetFigures) -> Iterator[Family]:
    day_budget, day_recorded = DAY_BUDGET.family(), DAY_RECORDED.family()
    overall = budget.allocations.by()
    days = range(budget.today - RECENT_DAYS + 1, budget.today + 1) if "30d" in budget.windows else ()
    for day in days:
        allocation = overall.total(day)
        if allocation.rows:
            day_budget.add((day_name(day),), allocation.usd)
        if allocation.recorded_rows:
            day_recorded.add((day_name(day),), allocation.recorded_usd)
    yield from (day_budget, day_recorded)


def _recorded(budget: BudgetFigures) -> Family:
    recorded = RECORDED.family()
    for key, window, allocation in budget.allocations.windows(budget.windows):
        present = budget.allocations.window(key, "all" if window == "all" else "30d").recorded_rows > 0
        if present and allocation.recorded_known:
            recorded.add((*key, window), allocation.recorded_usd)
    return recorded
