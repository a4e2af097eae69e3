"""Ranges of instants, each with what its rows add up to. Ranges of a ledger tile time and never overlap."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Generic, TypeVar

from exporter.sums.range_sums import RangeSums

BEGINNING = -(1 << 62)
"""Before every instant, in microseconds since 1970."""
END = 1 << 62
"""After every instant."""

R = TypeVar("R", bound=RangeSums)


@dataclass(eq=False)
class Range(Generic[R]):
    """The instants from `start` up to `end`, in microseconds since 1970, and what their rows add up to.

    `verified` is when that was last known to be right, in Unix seconds. The tables of the sums are kept packed, apart from
    them: ledgers have thousands of ranges, and few are looked at again.
    """

    start: int
    end: int
    sums: R
    packed: bytes
    verified: float

    @classmethod
    def of(cls, start: int, end: int, sums: R, now: float) -> Range[R]:
        """Make a range of sums with their tables."""
        return cls(start, end, *sums.split(), now)

    def full_sums(self) -> R:
        """Return the sums with their tables."""
        return self.sums.restored(self.packed)

    def joined(self, other: Range[R]) -> Range[R]:
        """Return this range and the one that follows as one."""
        verified = min(self.verified, other.verified)
        return Range.of(self.start, other.end, self.full_sums() + other.full_sums(), verified)


class Tiling(Generic[R]):
    """Ranges in order of time, without gap or overlap, from `start` up to `end`."""

    def __init__(self, end: int) -> None:
        self.end = end
        self._starts: list[int] = []
        self._ranges: list[Range[R]] = []

    def __iter__(self) -> Iterator[Range[R]]:
        return iter(self._ranges)

    def __len__(self) -> int:
        return len(self._ranges)

    def __getitem__(self, position: int) -> Range[R]:
        return self._ranges[position]

    @property
    def start(self) -> int:
        """Where what is loaded begins."""
        return self._starts[0] if self._starts else self.end

    def position(self, instant: int) -> int:
        """Return the position of the range an instant is in; it must be in one."""
        return bisect_right(self._starts, instant) - 1

    def find(self, instant: int) -> Range[R] | None:
        """Return the range an instant is in, None where that is not loaded."""
        if not self.start <= instant < self.end:
            return None
        return self._ranges[self.position(instant)]

    def between(self, start: int, end: int) -> list[Range[R]]:
        """Return the ranges that hold an instant from `start` up to `end`."""
        first = max(0, bisect_right(self._starts, start) - 1)
        return [each for each in self._ranges[first : bisect_left(self._starts, end)] if each.end > start]

    def replace(self, start: int, end: int, ranges: list[Range[R]]) -> list[Range[R]]:
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
