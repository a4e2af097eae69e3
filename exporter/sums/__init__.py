"""Mergeable summaries of ledgers: sums by day and label, distinct tasks, rankings, and the windows made of them.

Money is `Decimal` and is only ever added in `EXACT`. Nothing here knows SQL or HTTP.
"""

from exporter.sums.days import (
    DAY_BOUND_WINDOWS,
    RECENT_DAYS,
    WINDOWS,
    day_name,
    day_of,
    day_seconds,
    in_window,
)
from exporter.sums.exact import EXACT, ZERO, Allocation, Outcomes, S, Spend, Waste
from exporter.sums.ranking import TaskOutcome, ranked
from exporter.sums.table import Key, Table
from exporter.sums.tasks import TaskNumbers, Tasks
from exporter.sums.whole import BudgetPart, CostPart, ImpactPart, Part, TaskSpend

__all__ = [
    "DAY_BOUND_WINDOWS",
    "EXACT",
    "RECENT_DAYS",
    "WINDOWS",
    "ZERO",
    "Allocation",
    "BudgetPart",
    "CostPart",
    "ImpactPart",
    "Key",
    "Outcomes",
    "Part",
    "S",
    "Spend",
    "Table",
    "TaskNumbers",
    "TaskOutcome",
    "TaskSpend",
    "Tasks",
    "Waste",
    "day_name",
    "day_of",
    "day_seconds",
    "in_window",
    "ranked",
]
