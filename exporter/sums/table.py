"""Sums by label set and day, the windows made of them, and tables laid over others.

A refresh changes little of what it publishes. So a table remembers what was derived from it, and the newest rows are laid
over a table that stays: deriving a marginal or a window then costs what is new.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cached_property
from typing import Generic

from exporter.sums.days import RECENT_DAYS, WINDOWS, WINDOWS_BY_AGE
from exporter.sums.exact import S
from exporter.sums.remembered import Remembered

Key = tuple[str | None, ...]
Cells = dict[Key, dict[int, S]]
"""Sums by key and day."""

_ALL = WINDOWS.index("all")
_RECENT = WINDOWS.index("30d")


class Table(ABC, Generic[S]):
    """Sums by label set and day, as of one day. Immutable.

    `labels` names the columns of the keys. Days beyond the 30 that windows tell apart stand together as day `today - 30`.
    """

    def __init__(self, labels: tuple[str, ...], today: int, zero: S) -> None:
        self.labels = labels
        self.today = today
        self.zero = zero
        self._derived: Remembered[Table[S]] = Remembered()

    @staticmethod
    def of(labels: tuple[str, ...], today: int, zero: S, rows: Iterable[tuple[Key, int, S]]) -> Table[S]:
        """Build a table from rows (key, day, sums); rows of one key and day add up."""
        cells: Cells[S] = {}
        add_to(cells, today, rows)
        return Flat(labels, today, zero, cells)

    def over(self, base: Table[S]) -> Table[S]:
        """Return this table laid over another: the sum of both."""
        return Layered(base, self)

    @abstractmethod
    def rows(self) -> Iterator[tuple[Key, int, S]]:
        """Yield (key, day, sums); those of one key and day add up."""

    @abstractmethod
    def total(self, day: int) -> S:
        """Return the sums of one day over all keys."""

    @abstractmethod
    def _regrouped(self, labels: tuple[str, ...], key_of: Callable[[Key], Key]) -> Table[S]: ...

    @property
    @abstractmethod
    def sums(self) -> Mapping[Key, tuple[S, ...]]:
        """Every key's sums in each of the windows, in the order of `WINDOWS`."""

    def regroup(self, labels: tuple[str, ...], key_of: Callable[[Key], Key]) -> Table[S]:
        """Return the table under other keys; keys that become one add up.

        The result is remembered with the function, which must be equal only to functions that do the same.
        """
        remembered = (labels, key_of)
        if remembered not in self._derived:
            self._derived[remembered] = self._regrouped(labels, key_of)
        return self._derived[remembered]

    def by(self, *labels: str) -> Table[S]:
        """Return the marginal over some of the labels, in the order given."""
        if labels == self.labels:
            return self
        return self.regroup(labels, Columns(tuple(self.labels.index(label) for label in labels)))

    def present(self) -> list[Key]:
        """Return the keys that have a row."""
        return [key for key, sums in self.sums.items() if sums[_ALL].rows]

    def is_recent(self, key: Key) -> bool:
        """Tell whether the key has a row in the last 30 days."""
        sums = self.sums.get(key)
        return sums is not None and sums[_RECENT].rows > 0

    def recent_keys(self) -> list[Key]:
        """Return the keys that have a row in the last 30 days."""
        return [key for key, sums in self.sums.items() if sums[_RECENT].rows]

    def window(self, key: Key, window: str) -> S:
        """Return a key's sums in a window, zero where it has no row."""
        sums = self.sums.get(key)
        return self.zero if sums is None else sums[WINDOWS.index(window)]

    def windows(self, complete: Iterable[str]) -> Iterator[tuple[Key, str, S]]:
        """Yield (key, window, sums) for all that is published.

        A key with a row in the last 30 days is in every complete window, zero included; an older one only in `all`.
        """
        positions = [(window, WINDOWS.index(window)) for window in complete]
        for key, sums in self.sums.items():
            if sums[_RECENT].rows:
                for window, position in positions:
                    yield key, window, sums[position]
            elif sums[_ALL].rows and "all" in complete:
                yield key, "all", sums[_ALL]


class Columns:
    """Picks columns of a key."""

    def __init__(self, columns: tuple[int, ...]) -> None:
        self._columns = columns

    def __call__(self, key: Key) -> Key:
        """Return the columns of a key."""
        return tuple([key[column] for column in self._columns])

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Columns) and self._columns == other._columns

    def __hash__(self) -> int:
        return hash(self._columns)


def add_to(cells: Cells[S], today: int, rows: Iterable[tuple[Key, int, S]]) -> None:
    """Add rows to cells, those older than the days windows tell apart as of day `today - 30`."""
    oldest = today - RECENT_DAYS
    for key, booked, sums in rows:
        day = max(booked, oldest)
        days = cells.setdefault(key, {})
        days[day] = days[day] + sums if day in days else sums


class Flat(Table[S]):
    """A table with all its cells."""

    def __init__(self, labels: tuple[str, ...], today: int, zero: S, cells: Cells[S]) -> None:
        super().__init__(labels, today, zero)
        self.cells = cells

    def rows(self) -> Iterator[tuple[Key, int, S]]:
        """Yield every (key, day, sums) once. Rows of days to come are among them; windows do not know them."""
        for key, days in self.cells.items():
            for day, sums in days.items():
                yield key, day, sums

    def total(self, day: int) -> S:
        """Return the sums of one day over all keys."""
        return self._totals.get(day, self.zero)

    @cached_property
    def _totals(self) -> dict[int, S]:
        totals: dict[int, S] = {}
        for _, day, sums in self.rows():
            totals[day] = totals[day] + sums if day in totals else sums
        return totals

    def _regrouped(self, labels: tuple[str, ...], key_of: Callable[[Key], Key]) -> Table[S]:
        cells: Cells[S] = {}
        for key, days in self.cells.items():
            new = cells.setdefault(key_of(key), {})
            for day, sums in days.items():
                new[day] = new[day] + sums if day in new else sums
        return Flat(labels, self.today, self.zero, cells)

    @cached_property
    def sums(self) -> Mapping[Key, tuple[S, ...]]:
        """Every key's sums in each of the windows, in the order of `WINDOWS`."""
        return {key: self._windows(days) for key, days in self.cells.items()}

    def _windows(self, days: Mapping[int, S]) -> tuple[S, ...]:
        found: list[S | None] = [None] * len(WINDOWS)
        for day, sums in days.items():
            age = self.today - day
            if age >= 0:
                for position in WINDOWS_BY_AGE[min(age, RECENT_DAYS)]:
                    so_far = found[position]
                    found[position] = sums if so_far is None else so_far + sums
        return tuple([self.zero if sums is None else sums for sums in found])


class Layered(Table[S]):
    """A small table laid over another: their sum. What is derived of the lower one is derived once."""

    def __init__(self, base: Table[S], top: Table[S]) -> None:
        super().__init__(base.labels, base.today, base.zero)
        self._base = base
        self._top = top

    def rows(self) -> Iterator[tuple[Key, int, S]]:
        """Yield the rows of both."""
        yield from self._base.rows()
        yield from self._top.rows()

    def total(self, day: int) -> S:
        """Return the sums of one day over all keys."""
        return self._base.total(day) + self._top.total(day)

    def _regrouped(self, labels: tuple[str, ...], key_of: Callable[[Key], Key]) -> Table[S]:
        return Layered(self._base.regroup(labels, key_of), self._top.regroup(labels, key_of))

    @cached_property
    def sums(self) -> Mapping[Key, tuple[S, ...]]:
        """Every key's sums in each of the windows, in the order of `WINDOWS`."""
        merged = dict(self._base.sums)
        for key, top in self._top.sums.items():
            below = merged.get(key)
            merged[key] = top if below is None else tuple([one + other for one, other in zip(below, top, strict=True)])
        return merged


def layered(tables: Iterable[Table[S]]) -> Table[S]:
    """Return the sum of tables, the largest first; at least one."""
    bottom, *others = tables
    for other in others:
        bottom = other.over(bottom)
    return bottom
