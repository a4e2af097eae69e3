"""Mergeable summaries of ledgers: sums by day and label, distinct tasks, rankings, and the windows made of them.

Money is `Decimal` and is only ever added in `EXACT`. Nothing here knows SQL or HTTP.
"""

from exporter.parts.days import (
    DAY_BOUND_WINDOWS,
    RECENT_DAYS,
    WINDOWS,
    day_name,
    day_of,
    day_seconds,
    in_window,
)
from exporter.parts.ranking import TaskOutcome, ranked
from exporter.parts.sums import EXACT, ZERO, Allocation, Outcomes, S, Spend, Waste
from exporter.parts.table import Key, Table
from exporter.parts.tasks import TaskNumbers, Tasks
from exporter.parts.whole import BudgetPart, CostPart, ImpactPart, Part, TaskSpend

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
