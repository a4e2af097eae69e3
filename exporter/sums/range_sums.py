"""What the rows of one range of a ledger add up to. Sums of ranges can be added; what they say can be compared."""

from __future__ import annotations

import pickle
import zlib
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any, Self, TypeVar

from exporter.sums.exact import EXACT, ZERO, Allocation, Outcomes, S, Spend, Waste
from exporter.sums.ranking import TaskOutcome, ranked
from exporter.sums.table import Key
from exporter.sums.tasks import TaskSets, unite
from exporter.sums.whole import Names, TaskSpend, newest_names

K = TypeVar("K")

Rows = list[tuple[Key, int, S]]
"""Sums by key and day."""


def add_sums(into: dict[K, S], key: K, sums: S) -> None:
    """Add sums to those of a key."""
    into[key] = into[key] + sums if key in into else sums


def up_to(today: int, rows: Rows[S]) -> Rows[S]:
    """Return the rows of days that are not after today."""
    return [row for row in rows if row[1] <= today]


def merged(*tables: Rows[S]) -> Rows[S]:
    """Return tables as one, a row for each key and day."""
    found: dict[tuple[Key, int], S] = {}
    for rows in tables:
        for key, day, sums in rows:
            add_sums(found, (key, day), sums)
    return [(key, day, sums) for (key, day), sums in found.items()]


def earliest(one: Mapping[Key, int], other: Mapping[Key, int]) -> dict[Key, int]:
    """Return the smaller number of each key."""
    found = dict(one)
    for key, instant in other.items():
        found[key] = min(instant, found.get(key, instant))
    return found


def smaller(one: int | None, other: int | None) -> int | None:
    """Return the smaller of what is known."""
    return min((each for each in (one, other) if each is not None), default=None)


def larger(one: int | None, other: int | None) -> int | None:
    """Return the larger of what is known."""
    return max((each for each in (one, other) if each is not None), default=None)


@dataclass(frozen=True)
class RangeSums(ABC):
    """What the sums of every ledger tell of a range.

    `rows` is how many rows there are, `fingerprint` the sum of their fingerprints, `rejected` counts those left out by reason.
    `oldest` is the smallest instant of any row, `newest` the greatest of an accepted one that is not after the reading, both in
    microseconds since 1970.
    """

    rows: int
    fingerprint: int
    rejected: Mapping[str, int]
    oldest: int | None
    newest: int | None

    def _added(self, other: RangeSums) -> dict[str, Any]:
        """Return the fields of the sum that every ledger has."""
        return {
            "rows": self.rows + other.rows,
            "fingerprint": self.fingerprint + other.fingerprint,
            "rejected": {reason: number + other.rejected[reason] for reason, number in self.rejected.items()},
            "oldest": smaller(self.oldest, other.oldest),
            "newest": larger(self.newest, other.newest),
        }

    @abstractmethod
    def __add__(self, other: Self) -> Self: ...

    @abstractmethod
    def says(self) -> tuple[object, ...]:
        """Return what the sums say, comparable with what others say of the same rows."""

    @abstractmethod
    def split(self) -> tuple[Self, bytes]:
        """Return the sums without what is large and seldom looked at, and this in packed form."""

    @abstractmethod
    def restored(self, packed: bytes) -> Self:
        """Return the sums with what was packed."""


def _packed(*tables: Rows[Any]) -> bytes:
    return zlib.compress(pickle.dumps(tables, protocol=5), 1)


def _unpacked(packed: bytes) -> Any:  # noqa: ANN401 - what was packed by the same module
    return pickle.loads(zlib.decompress(packed))  # noqa: S301 - packed by this process


def _as_map(rows: Rows[S]) -> dict[tuple[Key, int], S]:
    return {(key, day): sums for key, day, sums in rows}


@dataclass(frozen=True)
class CostSums(RangeSums):
    """The charges of a range. Keys are (provider family, model, quest id).

    `refunds` are the charges below 0 in `spend`. `task_spend` is what tasks were charged today and yesterday.
    """

    spend: Rows[Spend] = field(default_factory=list, repr=False)
    refunds: Rows[Spend] = field(default_factory=list, repr=False)
    first_seen: Mapping[Key, int] = field(default_factory=dict, repr=False)
    tasks: TaskSets = field(default_factory=dict, repr=False)
    task_spend: TaskSpend = field(default_factory=dict, repr=False)

    def __add__(self, other: CostSums) -> CostSums:
        task_spend = dict(self.task_spend)
        for key, spend in other.task_spend.items():
            add_sums(task_spend, key, spend)
        return CostSums(
            **self._added(other),
            spend=merged(self.spend, other.spend),
            refunds=merged(self.refunds, other.refunds),
            first_seen=earliest(self.first_seen, other.first_seen),
            tasks=unite([self.tasks, other.tasks]),
            task_spend=task_spend,
        )

    def says(self) -> tuple[object, ...]:
        """Return what the sums say; single tasks are left out, as they are forgotten once their days are over."""
        return (
            self.rows,
            dict(self.rejected),
            self.oldest,
            self.newest,
            _as_map(self.spend),
            _as_map(self.refunds),
            dict(self.first_seen),
            dict(self.tasks),
        )

    def split(self) -> tuple[CostSums, bytes]:
        """Return the sums without their tables, and the tables packed."""
        return replace(self, spend=[], refunds=[]), _packed(self.spend, self.refunds)

    def restored(self, packed: bytes) -> CostSums:
        """Return the sums with their tables."""
        spend, refunds = _unpacked(packed)
        return replace(self, spend=spend, refunds=refunds)

    def without_single_tasks(self) -> CostSums:
        """Return the sums without what single tasks were charged."""
        return replace(self, task_spend={}) if self.task_spend else self


@dataclass(frozen=True)
class ImpactSums(RangeSums):
    """The outcomes of a range. Keys are (quest id, layer[, reason]).

    `best` and `wasted` are the outcomes that may be ranked, at most `lengths` of each; `oldest_pending` is the smallest instant
    of a pending one.
    """

    outcomes: Rows[Outcomes] = field(default_factory=list, repr=False)
    waste: Rows[Waste] = field(default_factory=list, repr=False)
    best: tuple[TaskOutcome, ...] = ()
    wasted: tuple[TaskOutcome, ...] = ()
    lengths: tuple[int, int] = (0, 0)
    oldest_pending: int | None = None

    def __add__(self, other: ImpactSums) -> ImpactSums:
        best, wasted = self.lengths
        return ImpactSums(
            **self._added(other),
            outcomes=merged(self.outcomes, other.outcomes),
            waste=merged(self.waste, other.waste),
            best=ranked((*self.best, *other.best), best),
            wasted=ranked((*self.wasted, *other.wasted), wasted),
            lengths=self.lengths,
            oldest_pending=smaller(self.oldest_pending, other.oldest_pending),
        )

    def says(self) -> tuple[object, ...]:
        """Return what the sums say; rankings are left out, as they are forgotten once their days are over."""
        return (
            self.rows,
            dict(self.rejected),
            self.oldest,
            self.newest,
            _as_map(self.outcomes),
            _as_map(self.waste),
            self.oldest_pending,
        )

    def split(self) -> tuple[ImpactSums, bytes]:
        """Return the sums without their tables, and the tables packed."""
        return replace(self, outcomes=[], waste=[]), _packed(self.outcomes, self.waste)

    def restored(self, packed: bytes) -> ImpactSums:
        """Return the sums with their tables."""
        outcomes, waste = _unpacked(packed)
        return replace(self, outcomes=outcomes, waste=waste)

    def without_rankings(self) -> ImpactSums:
        """Return the sums without what could be in a ranking."""
        return replace(self, best=(), wasted=()) if self.best or self.wasted else self


@dataclass(frozen=True)
class BudgetSums(RangeSums):
    """The allocations of a range. Keys are (quest id,).

    `names` are those of each quest's newest day; `current` are the allocations of the newest day that is not after the reading.
    """

    allocations: Rows[Allocation] = field(default_factory=list, repr=False)
    names: Names = field(default_factory=dict, repr=False)
    current: Mapping[str | None, Decimal] = field(default_factory=dict, repr=False)

    def __add__(self, other: BudgetSums) -> BudgetSums:
        newest = larger(self.newest, other.newest)
        current: dict[str | None, Decimal] = {}
        for each in (self, other):
            if each.newest == newest:
                for quest, usd in each.current.items():
                    current[quest] = EXACT.add(current.get(quest, ZERO), usd)
        return BudgetSums(
            **self._added(other),
            allocations=merged(self.allocations, other.allocations),
            names=newest_names(self.names, other.names),
            current=current,
        )

    def says(self) -> tuple[object, ...]:
        """Return what the sums say."""
        return (
            self.rows,
            dict(self.rejected),
            self.oldest,
            self.newest,
            _as_map(self.allocations),
            dict(self.names),
            dict(self.current),
        )

    def split(self) -> tuple[BudgetSums, bytes]:
        """Return the sums without their table, and the table packed."""
        return replace(self, allocations=[]), _packed(self.allocations)

    def restored(self, packed: bytes) -> BudgetSums:
        """Return the sums with their table."""
        (allocations,) = _unpacked(packed)
        return replace(self, allocations=allocations)


def instants(sums: Iterable[RangeSums]) -> int | None:
    """Return the newest accepted instant of several ranges, None where there is none."""
    return max((each.newest for each in sums if each.newest is not None), default=None)
