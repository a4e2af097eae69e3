"""What is known of a whole ledger of one source at one refresh, and the sum over its sources."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from exporter.sums.days import WINDOWS
from exporter.sums.exact import EXACT, ZERO, Allocation, Outcomes, Spend, Waste
from exporter.sums.ranking import TaskOutcome
from exporter.sums.table import Key, Table
from exporter.sums.tasks import Tasks

TaskSpend = Mapping[tuple[str, str | None], Spend]
"""(task, quest id) to what was charged."""

Names = Mapping[str, tuple[int, frozenset[str]]]
"""Quest id to the day of its newest row and the names booked that day."""


@dataclass(frozen=True)
class Part:
    """What every ledger's part tells, beside its figures.

    `instant` is when the part was read (Unix seconds), `today` the UTC day then, `windows` those for which all rows are
    loaded. `rejected` counts the rows left out by reason; `newest` is the newest accepted instant not after `instant`, in
    microseconds.
    """

    instant: float
    today: int
    windows: tuple[str, ...]
    rejected: Mapping[str, int]
    newest: int | None

    @property
    def rows(self) -> int:
        """Return how many rows of all days up to today it is made of."""
        raise NotImplementedError

    def _merged_base(self, other: Part) -> tuple[float, int, tuple[str, ...], dict[str, int], int | None]:
        return (
            min(self.instant, other.instant),
            self.today,
            tuple(window for window in WINDOWS if window in self.windows and window in other.windows),
            {reason: self.rejected[reason] + other.rejected[reason] for reason in self.rejected},
            max((newest for newest in (self.newest, other.newest) if newest is not None), default=None),
        )


@dataclass(frozen=True)
class CostPart(Part):
    """The cost ledger. Keys are (provider family, model, quest id), the latter two as booked.

    `refunds` are the charges below 0 in `spend`. `task_spend` is what tasks were charged today and yesterday, in pieces that
    add up: those that stay from refresh to refresh, and `newest_task_spend`. None without tasks.
    """

    spend: Table[Spend]
    refunds: Table[Spend]
    first_seen: Mapping[Key, int]
    tasks: Tasks | None
    task_spend: tuple[TaskSpend, ...] | None
    newest_task_spend: tuple[TaskSpend, ...]
    has_tokens_out: bool

    @property
    def rows(self) -> int:
        """Return how many rows of all days up to today it is made of."""
        return _rows(self.spend) + sum(self.rejected.values())

    def __add__(self, other: CostPart) -> CostPart:
        first_seen = dict(self.first_seen)
        for key, instant in other.first_seen.items():
            first_seen[key] = min(instant, first_seen.get(key, instant))
        return CostPart(
            *self._merged_base(other),
            spend=other.spend.over(self.spend),
            refunds=other.refunds.over(self.refunds),
            first_seen=first_seen,
            tasks=None if self.tasks is None or other.tasks is None else other.tasks.over(self.tasks),
            task_spend=None
            if self.task_spend is None or other.task_spend is None
            else self.task_spend + other.task_spend,
            newest_task_spend=self.newest_task_spend + other.newest_task_spend,
            has_tokens_out=self.has_tokens_out and other.has_tokens_out,
        )


@dataclass(frozen=True)
class ImpactPart(Part):
    """The impact ledger. Keys are (quest id, layer[, reason]) as booked. The rankings are what may be in them."""

    outcomes: Table[Outcomes]
    waste: Table[Waste]
    best: tuple[TaskOutcome, ...]
    wasted: tuple[TaskOutcome, ...]

    @property
    def rows(self) -> int:
        """Return how many rows of all days up to today it is made of."""
        return _rows(self.outcomes) + sum(self.rejected.values())

    def __add__(self, other: ImpactPart) -> ImpactPart:
        return ImpactPart(
            *self._merged_base(other),
            outcomes=other.outcomes.over(self.outcomes),
            waste=other.waste.over(self.waste),
            best=self.best + other.best,
            wasted=self.wasted + other.wasted,
        )


@dataclass(frozen=True)
class BudgetPart(Part):
    """The budget ledger, by quest id.

    `newest_day` is the newest day with an allocation that is not after today, `current` its allocations.
    """

    allocations: Table[Allocation]
    newest_day: int | None
    current: Mapping[str | None, Decimal]
    names: Names

    @property
    def rows(self) -> int:
        """Return how many rows of all days up to today it is made of."""
        return _rows(self.allocations) + sum(self.rejected.values())

    def __add__(self, other: BudgetPart) -> BudgetPart:
        days = [day for day in (self.newest_day, other.newest_day) if day is not None]
        newest_day = max(days, default=None)
        current: dict[str | None, Decimal] = {}
        for part in (self, other):
            if part.newest_day == newest_day:
                for quest, usd in part.current.items():
                    current[quest] = EXACT.add(current.get(quest, ZERO), usd)
        return BudgetPart(
            *self._merged_base(other),
            allocations=other.allocations.over(self.allocations),
            newest_day=newest_day,
            current=current,
            names=newest_names(self.names, other.names),
        )


def _rows(table: Table[Any]) -> int:
    everything = WINDOWS.index("all")
    return sum(sums[everything].rows for sums in table.sums.values())


def newest_names(one: Names, other: Names) -> dict[str, tuple[int, frozenset[str]]]:
    """Return the names of each quest's newest day."""
    names = dict(one)
    for quest, (day, booked) in other.items():
        known_day, known = names.get(quest, (day, frozenset()))
        names[quest] = (day, booked | known) if day == known_day else max((day, booked), (known_day, known))
    return names
