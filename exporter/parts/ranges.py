"""Ranges of instants, each with the part that one reading said of it. Ranges of a ledger tile time and never overlap."""

from __future__ import annotations

import json
import zlib
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any, TypeVar

from exporter.parts.ranking import TaskOutcome
from exporter.parts.sums import Allocation, Outcomes, S, Spend, Waste
from exporter.parts.table import Key
from exporter.parts.tasks import TaskSets
from exporter.parts.whole import Names, TaskSpend

BEGINNING = -(1 << 62)
"""Before every instant, in microseconds since 1970."""
END = 1 << 62
"""After every instant."""

Rows = list[tuple[Key, int, Any]]
"""Sums by key and day."""

_SUMS: Mapping[str, Any] = {
    "spend": Spend,
    "refunds": Spend,
    "outcomes": Outcomes,
    "waste": Waste,
    "allocations": Allocation,
}


K = TypeVar("K")


def add_sums(into: dict[K, S], key: K, sums: S) -> None:
    """Add sums to those of a key."""
    into[key] = into[key] + sums if key in into else sums


def up_to(today: int, rows: Rows) -> Rows:
    """Return the rows of days that are not after today."""
    return [row for row in rows if row[1] <= today]


class Packed:
    """The rows of a part's tables, kept small: ledgers have thousands of parts, and a few are looked at again."""

    def __init__(self, tables: Mapping[str, Rows]) -> None:
        plain = {
            name: sorted([[key, day, _numbers(sums)] for key, day, sums in rows], key=repr)
            for name, rows in tables.items()
        }
        self.data = zlib.compress(json.dumps(plain, separators=(",", ":")).encode(), 1)

    def tables(self) -> dict[str, Rows]:
        """Return the rows."""
        return {
            name: [
                (tuple(key), day, _SUMS[name](*[Decimal(n) if isinstance(n, str) else n for n in sums]))
                for key, day, sums in rows
            ]
            for name, rows in json.loads(zlib.decompress(self.data)).items()
        }


def _numbers(sums: Spend | Outcomes | Waste | Allocation) -> list[int | str]:
    """Return the numbers of sums, decimals as text: JSON would round them."""
    return [str(number) if isinstance(number, Decimal) else number for number in sums]


@dataclass(frozen=True)
class RangePart:
    """What one reading said of a range of a ledger.

    `tables` are sums by key and day. `oldest` is the smallest instant of any row, `newest` the greatest of an accepted one that
    is not after the reading, both in microseconds since 1970. `current` are the allocations of the newest day. What a ledger
    does not have is empty.
    """

    rows: int
    rejected: Mapping[str, int]
    oldest: int | None
    newest: int | None
    tables: Mapping[str, Rows] = field(repr=False)
    first_seen: Mapping[Key, int] = field(default_factory=dict, repr=False)
    tasks: TaskSets = field(default_factory=dict, repr=False)
    task_spend: TaskSpend = field(default_factory=dict, repr=False)
    best: tuple[TaskOutcome, ...] = ()
    wasted: tuple[TaskOutcome, ...] = ()
    oldest_pending: int | None = None
    names: Names = field(default_factory=dict, repr=False)
    current: Mapping[str | None, Decimal] = field(default_factory=dict, repr=False)


@dataclass
class Range:
    """The instants from `start` up to `end`, in microseconds since 1970, and what was read of them.

    `read` is when that was, in Unix seconds. The tables of the part are kept packed, apart from it.
    """

    start: int
    end: int
    part: RangePart
    packed: Packed
    read: float

    @classmethod
    def of(cls, start: int, end: int, part: RangePart, now: float) -> Range:
        """Make a range that keeps its part's tables packed."""
        packed = Packed(part.tables)
        return cls(start, end, _without_tables(part), packed, now)

    def full_part(self) -> RangePart:
        """Return the part with its tables."""
        return _with_tables(self.part, self.packed.tables())

    def forget_single_tasks(self) -> None:
        """Forget what single tasks were charged: nobody asks any more."""
        if self.part.task_spend:
            self.part = replace(self.part, task_spend={})

    def forget_rankings(self) -> None:
        """Forget what could be in a ranking: its days are over."""
        if self.part.best or self.part.wasted:
            self.part = replace(self.part, best=(), wasted=())


def _without_tables(part: RangePart) -> RangePart:
    return _with_tables(part, {})


def _with_tables(part: RangePart, tables: Mapping[str, Rows]) -> RangePart:
    return replace(part, tables=tables)


class Tiling:
    """Ranges in order of time, without gap or overlap, from `start` up to `end`."""

    def __init__(self, end: int) -> None:
        self.end = end
        self._starts: list[int] = []
        self._ranges: list[Range] = []

    def __iter__(self) -> Iterator[Range]:
        return iter(self._ranges)

    def __len__(self) -> int:
        return len(self._ranges)

    def __getitem__(self, position: int) -> Range:
        return self._ranges[position]

    @property
    def start(self) -> int:
        """Where what is loaded begins."""
        return self._starts[0] if self._starts else self.end

    def position(self, instant: int) -> int:
        """Return the position of the range an instant is in; it must be in one."""
        return bisect_right(self._starts, instant) - 1

    def find(self, instant: int) -> Range | None:
        """Return the range an instant is in, None where that is not loaded."""
        if not self.start <= instant < self.end:
            return None
        return self._ranges[self.position(instant)]

    def between(self, start: int, end: int) -> list[Range]:
        """Return the ranges that hold an instant from `start` up to `end`."""
        first = max(0, bisect_right(self._starts, start) - 1)
        return [each for each in self._ranges[first : bisect_left(self._starts, end)] if each.end > start]

    def replace(self, start: int, end: int, ranges: list[Range]) -> list[Range]:
        """Put ranges that tile the instants from `start` up to `end` in the place of those that did; return these.

        Raises:
            ValueError: the ranges do not tile these instants.
        """
        edges = [start, *(each.end for each in ranges)]
        if [each.start for each in ranges] != edges[:-1] or edges[-1] != end:
            raise ValueError("ranges leave a gap or overlap")
        first, last = bisect_left(self._starts, start), bisect_left(self._starts, end)
        former = self._ranges[first:last]
        if former and (former[0].start != start or former[-1].end != end):
            raise ValueError("ranges do not end where the former ones do")
        self._ranges[first:last] = ranges
        self._starts[first:last] = [each.start for each in ranges]
        self.end = max(self.end, end)
        return former
