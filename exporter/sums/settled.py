"""Running totals over all settled ranges: the sums of a range are added, or taken away again, at the cost of their own size."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from typing import Generic, TypeVar

from exporter.sums.days import MICROSECONDS_A_DAY, RECENT_DAYS
from exporter.sums.exact import Allocation, Outcomes, S, Spend, Waste
from exporter.sums.range_sums import BudgetSums, CostSums, ImpactSums, RangeSums, Rows, earliest
from exporter.sums.ranking import TaskOutcome, ranked
from exporter.sums.table import Cells, Flat, Key, Layered, Table
from exporter.sums.tasks import Tasks, TaskSet
from exporter.sums.whole import Names, newest_names

_LAID_OVER = 500


class Tally(Generic[S]):
    """A table that grows and shrinks, published as an immutable one.

    Changes are laid over a table that stays, until they are many: what was derived of it stays too.
    """

    def __init__(self, labels: tuple[str, ...], zero: S, today: int) -> None:
        self._labels, self._zero, self._today = labels, zero, today
        self._cells: Cells[S] = {}
        self._changes: Cells[S] = {}
        self._changed = 0
        self._base: Table[S] = Flat(labels, today, zero, {})
        self._table: Table[S] | None = self._base

    def add(self, rows: Rows[S]) -> None:
        """Add rows."""
        for key, day, sums in rows:
            self._change(key, day, sums)

    def remove(self, rows: Rows[S]) -> None:
        """Take rows away that were added before."""
        for key, day, sums in rows:
            self._change(key, day, -sums)

    def _change(self, key: Key, booked: int, sums: S) -> None:
        day = max(booked, self._today - RECENT_DAYS)
        for cells in (self._cells, self._changes):
            days = cells.setdefault(key, {})
            days[day] = days[day] + sums if day in days else sums
        days = self._cells[key]
        if not days[day].rows:
            del days[day]
            if not days:
                del self._cells[key]
        self._changed += 1
        self._table = None

    def roll(self, today: int) -> None:
        """Go over to another day: days grow older by it."""
        self._today = today
        rows = [(key, day, sums) for key, days in self._cells.items() for day, sums in days.items()]
        self._cells, self._table, self._changed = {}, None, _LAID_OVER + 1
        for key, booked, sums in rows:
            days = self._cells.setdefault(key, {})
            day = max(booked, today - RECENT_DAYS)
            days[day] = days[day] + sums if day in days else sums

    def table(self) -> Table[S]:
        """Return what it all adds up to now."""
        if self._table is None:
            if self._changed > _LAID_OVER:
                cells = {key: dict(days) for key, days in self._cells.items()}
                self._base = self._table = Flat(self._labels, self._today, self._zero, cells)
                self._changes, self._changed = {}, 0
            else:
                changes = {key: dict(days) for key, days in self._changes.items()}
                self._table = Layered(self._base, Flat(self._labels, self._today, self._zero, changes))
        return self._table


R = TypeVar("R", bound=RangeSums)


class Settled(ABC, Generic[R]):
    """What the sums of all settled ranges add up to. What cannot be taken away again is gathered from them when asked for."""

    def __init__(self, today: int, reasons: Iterable[str]) -> None:
        """`reasons` are those for which the ledger's rows are rejected."""
        self._today = today
        self.rejected = dict.fromkeys(reasons, 0)
        self.rows = 0

    def add(self, sums: R) -> None:
        """Add the sums of a range."""
        self._count(sums, 1)
        self._add(sums)

    def remove(self, sums: R) -> None:
        """Take the sums of a range away that were added before."""
        self._count(sums, -1)
        self._remove(sums)

    def roll(self, today: int) -> None:
        """Go over to another day."""
        self._today = today
        self._roll()

    @abstractmethod
    def _add(self, sums: R) -> None: ...

    @abstractmethod
    def _remove(self, sums: R) -> None: ...

    @abstractmethod
    def _roll(self) -> None: ...

    def forgetting(self, sums: R, end: int) -> R:  # noqa: ARG002 - what a ledger forgets is its own
        """Return the sums of a range that ends at an instant without what is asked of younger ranges only."""
        return sums

    def _count(self, sums: R, sign: int) -> None:
        self.rows += sign * sums.rows
        for reason, number in sums.rejected.items():
            self.rejected[reason] += sign * number


_CHARGES = ("provider", "model", "quest")


class CostSettled(Settled[CostSums]):
    """Running totals of charges."""

    def __init__(self, today: int, reasons: Iterable[str]) -> None:
        super().__init__(today, reasons)
        self._spend = Tally(_CHARGES, Spend(), today)
        self._refunds = Tally(_CHARGES, Spend(), today)
        self._sets: dict[tuple[str, int], TaskSet] = {}
        self._stale_sets: set[tuple[str, int]] = set()
        self._tasks: Tasks | None = None
        self._first_seen: dict[Key, int] | None = {}

    @property
    def spend(self) -> Table[Spend]:
        """Return all charges."""
        return self._spend.table()

    @property
    def refunds(self) -> Table[Spend]:
        """Return the charges below 0."""
        return self._refunds.table()

    def tasks(self, ranges: Iterable[CostSums]) -> Tasks:
        """Return the sets of tasks; `ranges` are all that have been added."""
        if self._stale_sets:
            found: dict[tuple[str, int], list[TaskSet]] = {key: [] for key in self._stale_sets}
            for sums in ranges:
                for (provider, day), tasks in sums.tasks.items():
                    key = provider, self._bucket(day)
                    if key in found:
                        found[key].append(tasks)
            for key, sets in found.items():
                self._sets.pop(key, None)
                if sets:
                    self._sets[key] = TaskSet.union(*sets)
            self._stale_sets = set()
        if self._tasks is None:
            self._tasks = Tasks(self._today, dict(self._sets))
        return self._tasks

    def first_seen(self, ranges: Iterable[CostSums]) -> Mapping[Key, int]:
        """Return the earliest instant of each provider and model; `ranges` are all that have been added."""
        if self._first_seen is None:
            self._first_seen = {}
            for sums in ranges:
                self._first_seen = earliest(self._first_seen, sums.first_seen)
        return self._first_seen

    def forgetting(self, sums: CostSums, end: int) -> CostSums:
        """Return the sums of a range without its single tasks, once it lies before yesterday."""
        return sums.without_single_tasks() if end <= (self._today - 1) * MICROSECONDS_A_DAY else sums

    def _add(self, sums: CostSums) -> None:
        self._spend.add(sums.spend)
        self._refunds.add(sums.refunds)
        for (provider, day), tasks in sums.tasks.items():
            key = provider, self._bucket(day)
            if key not in self._stale_sets:
                self._sets[key] = self._sets[key] | tasks if key in self._sets else tasks
                self._tasks = None
        if self._first_seen is not None:
            for seen, instant in sums.first_seen.items():
                self._first_seen[seen] = min(instant, self._first_seen.get(seen, instant))

    def _remove(self, sums: CostSums) -> None:
        self._spend.remove(sums.spend)
        self._refunds.remove(sums.refunds)
        for provider, day in sums.tasks:
            self._stale_sets.add((provider, self._bucket(day)))
            self._tasks = None
        known = self._first_seen
        if known is not None and any(known.get(seen) == at for seen, at in sums.first_seen.items()):
            self._first_seen = None

    def _roll(self) -> None:
        self._spend.roll(self._today)
        self._refunds.roll(self._today)
        sets, self._sets, self._tasks = self._sets, {}, None
        for (provider, day), tasks in sets.items():
            key = provider, self._bucket(day)
            self._sets[key] = self._sets[key] | tasks if key in self._sets else tasks
        self._stale_sets = {(provider, self._bucket(day)) for provider, day in self._stale_sets}

    def _bucket(self, day: int) -> int:
        return max(day, self._today - RECENT_DAYS)


class ImpactSettled(Settled[ImpactSums]):
    """Running totals of outcomes."""

    def __init__(self, today: int, reasons: Iterable[str], best: int, wasted: int) -> None:
        """`best` and `wasted` are the lengths of the rankings."""
        super().__init__(today, reasons)
        self._outcomes = Tally(("quest", "layer"), Outcomes(), today)
        self._waste = Tally(("quest", "layer", "reason"), Waste(), today)
        self._lengths = best, wasted
        self._best: tuple[TaskOutcome, ...] | None = ()
        self._wasted: tuple[TaskOutcome, ...] | None = ()

    @property
    def outcomes(self) -> Table[Outcomes]:
        """Return all outcomes."""
        return self._outcomes.table()

    @property
    def waste(self) -> Table[Waste]:
        """Return the wasted outcomes."""
        return self._waste.table()

    def best(self, ranges: Iterable[ImpactSums]) -> tuple[TaskOutcome, ...]:
        """Return the best outcomes of the last 30 days; `ranges` are all that have been added."""
        if self._best is None:
            self._best = self._ranked((outcome for sums in ranges for outcome in sums.best), self._lengths[0])
        return self._best

    def wasted(self, ranges: Iterable[ImpactSums]) -> tuple[TaskOutcome, ...]:
        """Return the most wasteful outcomes of the last 30 days; `ranges` are all that have been added."""
        if self._wasted is None:
            self._wasted = self._ranked((outcome for sums in ranges for outcome in sums.wasted), self._lengths[1])
        return self._wasted

    def forgetting(self, sums: ImpactSums, end: int) -> ImpactSums:
        """Return the sums of a range without its rankings, once it lies before the last 30 days."""
        return sums.without_rankings() if end <= self._recent_start else sums

    @property
    def _recent_start(self) -> int:
        return (self._today - RECENT_DAYS + 1) * MICROSECONDS_A_DAY

    def _ranked(self, outcomes: Iterable[TaskOutcome], length: int) -> tuple[TaskOutcome, ...]:
        first = self._recent_start
        return ranked((outcome for outcome in outcomes if outcome.instant >= first), length)

    def _add(self, sums: ImpactSums) -> None:
        self._outcomes.add(sums.outcomes)
        self._waste.add(sums.waste)
        if self._best is not None and sums.best:
            self._best = self._ranked((*self._best, *sums.best), self._lengths[0])
        if self._wasted is not None and sums.wasted:
            self._wasted = self._ranked((*self._wasted, *sums.wasted), self._lengths[1])

    def _remove(self, sums: ImpactSums) -> None:
        self._outcomes.remove(sums.outcomes)
        self._waste.remove(sums.waste)
        if self._best is not None and not set(self._best).isdisjoint(sums.best):
            self._best = None
        if self._wasted is not None and not set(self._wasted).isdisjoint(sums.wasted):
            self._wasted = None

    def _roll(self) -> None:
        self._outcomes.roll(self._today)
        self._waste.roll(self._today)
        self._best = self._wasted = None


class BudgetSettled(Settled[BudgetSums]):
    """Running totals of allocations."""

    def __init__(self, today: int, reasons: Iterable[str]) -> None:
        super().__init__(today, reasons)
        self._allocations = Tally(("quest",), Allocation(), today)
        self._names: Names | None = {}

    @property
    def allocations(self) -> Table[Allocation]:
        """Return all allocations."""
        return self._allocations.table()

    def names(self, ranges: Iterable[BudgetSums]) -> Names:
        """Return the names of each quest's newest day; `ranges` are all that have been added."""
        if self._names is None:
            self._names = {}
            for sums in ranges:
                self._names = newest_names(self._names, sums.names)
        return self._names

    def _add(self, sums: BudgetSums) -> None:
        self._allocations.add(sums.allocations)
        if self._names is not None and sums.names:
            self._names = newest_names(self._names, sums.names)

    def _remove(self, sums: BudgetSums) -> None:
        self._allocations.remove(sums.allocations)
        if sums.names:
            self._names = None

    def _roll(self) -> None:
        self._allocations.roll(self._today)
