"""Running totals over the parts of all settled ranges: a part is added, or taken away again, at the cost of its own size."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Generic

from exporter.parts.days import RECENT_DAYS
from exporter.parts.ranges import RangePart, Rows
from exporter.parts.ranking import TaskOutcome, ranked
from exporter.parts.sums import Allocation, Outcomes, S, Spend, Waste
from exporter.parts.table import Cells, Flat, Key, Layered, Table
from exporter.parts.tasks import Tasks
from exporter.parts.whole import Names, newest_names

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

    def add(self, rows: Rows) -> None:
        """Add rows."""
        for key, day, sums in rows:
            self._change(key, day, sums)

    def remove(self, rows: Rows) -> None:
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


class Settled:
    """What the parts of all settled ranges add up to. What cannot be taken away is gathered from the parts when asked for."""

    TABLES: Mapping[str, tuple[tuple[str, ...], Any]] = {
        "spend": (("provider", "model", "quest"), Spend()),
        "refunds": (("provider", "model", "quest"), Spend()),
        "outcomes": (("quest", "layer"), Outcomes()),
        "waste": (("quest", "layer", "reason"), Waste()),
        "allocations": (("quest",), Allocation()),
    }

    def __init__(self, today: int, reasons: Iterable[str], top: Mapping[str, int]) -> None:
        """`reasons` are those for which the ledger's rows are rejected; `top` the lengths of its rankings."""
        self._today = today
        self._tallies = {name: Tally(labels, zero, today) for name, (labels, zero) in self.TABLES.items()}
        self._top = top
        self.rejected = dict.fromkeys(reasons, 0)
        self.rows = 0
        self._sets: dict[tuple[str, int], Any] = {}
        self._stale_sets: set[tuple[str, int]] = set()
        self._tasks: Tasks | None = None
        self._first_seen: dict[Key, int] | None = {}
        self._names: Names | None = {}
        self._rankings: dict[str, tuple[TaskOutcome, ...] | None] = {"best": (), "wasted": ()}

    def add(self, part: RangePart) -> None:
        """Add the part of a range."""
        self._count(part, 1)
        for name, rows in part.tables.items():
            self._tallies[name].add(rows)
        for (provider, day), tasks in part.tasks.items():
            key = provider, self._bucket(day)
            if key not in self._stale_sets:
                self._sets[key] = self._sets[key] | tasks if key in self._sets else tasks
                self._tasks = None
        if self._first_seen is not None:
            for seen, instant in part.first_seen.items():
                self._first_seen[seen] = min(instant, self._first_seen.get(seen, instant))
        if self._names is not None and part.names:
            self._names = newest_names(self._names, part.names)
        for name in ("best", "wasted"):
            known, new = self._rankings[name], getattr(part, name)
            if known is not None and new:
                self._rankings[name] = ranked((*known, *self._recent(new)), self._top[name])

    def remove(self, part: RangePart) -> None:
        """Take the part of a range away that was added before."""
        self._count(part, -1)
        for name, rows in part.tables.items():
            self._tallies[name].remove(rows)
        for provider, day in part.tasks:
            self._stale_sets.add((provider, self._bucket(day)))
            self._tasks = None
        if self._first_seen is not None and any(
            self._first_seen.get(seen) == at for seen, at in part.first_seen.items()
        ):
            self._first_seen = None
        if part.names:
            self._names = None
        for name in ("best", "wasted"):
            known = self._rankings[name]
            if known is not None and not set(known).isdisjoint(getattr(part, name)):
                self._rankings[name] = None

    def _count(self, part: RangePart, sign: int) -> None:
        self.rows += sign * part.rows
        for reason, number in part.rejected.items():
            self.rejected[reason] += sign * number

    def roll(self, today: int) -> None:
        """Go over to another day."""
        self._today = today
        for tally in self._tallies.values():
            tally.roll(today)
        sets, self._sets, self._tasks = self._sets, {}, None
        for (provider, day), tasks in sets.items():
            key = provider, self._bucket(day)
            self._sets[key] = self._sets[key] | tasks if key in self._sets else tasks
        self._stale_sets = {(provider, self._bucket(day)) for provider, day in self._stale_sets}
        self._rankings = dict.fromkeys(self._rankings)

    def _bucket(self, day: int) -> int:
        return max(day, self._today - RECENT_DAYS)

    def table(self, name: str) -> Table[Any]:
        """Return one of the tables."""
        return self._tallies[name].table()

    def tasks(self, parts: Iterable[RangePart]) -> Tasks:
        """Return the sets of tasks; `parts` are all that have been added."""
        if self._stale_sets:
            found: dict[tuple[str, int], list[Any]] = {key: [] for key in self._stale_sets}
            for part in parts:
                for (provider, day), tasks in part.tasks.items():
                    key = provider, self._bucket(day)
                    if key in found:
                        found[key].append(tasks)
            for key, sets in found.items():
                self._sets.pop(key, None)
                if sets:
                    self._sets[key] = type(sets[0]).union(*sets)
            self._stale_sets = set()
        if self._tasks is None:
            self._tasks = Tasks(self._today, dict(self._sets))
        return self._tasks

    def first_seen(self, parts: Iterable[RangePart]) -> Mapping[Key, int]:
        """Return the earliest instant of each provider and model."""
        if self._first_seen is None:
            self._first_seen = {}
            for part in parts:
                for seen, instant in part.first_seen.items():
                    self._first_seen[seen] = min(instant, self._first_seen.get(seen, instant))
        return self._first_seen

    def names(self, parts: Iterable[RangePart]) -> Names:
        """Return the names of each quest's newest day."""
        if self._names is None:
            self._names = {}
            for part in parts:
                self._names = newest_names(self._names, part.names)
        return self._names

    def ranking(self, name: str, parts: Iterable[RangePart]) -> tuple[TaskOutcome, ...]:
        """Return the first of the outcomes of the last 30 days by a ranking, `best` or `wasted`."""
        known = self._rankings[name]
        if known is None:
            outcomes = [outcome for part in parts for outcome in self._recent(getattr(part, name))]
            known = self._rankings[name] = ranked(outcomes, self._top[name])
        return known

    def _recent(self, outcomes: Iterable[TaskOutcome]) -> list[TaskOutcome]:
        first = (self._today - RECENT_DAYS + 1) * 86_400_000_000
        return [outcome for outcome in outcomes if outcome.instant >= first]
