"""The walk: settled ranges are read again, a few after each refresh, so that edits, deletions and moves surface too."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import reduce
from typing import Any

from exporter.parts.days import MICROSECONDS_A_DAY
from exporter.parts.ranges import END, Range, Tiling, add_sums
from exporter.parts.ranking import ranked
from exporter.parts.tasks import unite
from exporter.parts.whole import Names, newest_names

ROWS = 5_000
SECONDS = 0.006
"""What one refresh may spend on the walk; a range that costs more is paid for by several."""
RANGE_COST_ROWS = 200
"""What it costs to ask for a range, as so many rows."""
HURRY = 20
RECENT_DAYS = 8


class Walk:
    """Which ranges are read next: in turn one of the newest eight days and one of all, each from the newest to the oldest.

    It hurries after a reset and after a correction, until a whole cycle has found nothing to correct.
    """

    def __init__(self) -> None:
        self._rows = 0.0
        self._seconds = 0.0
        self._recent = self._all = END
        self._in_recent = False
        self._hurry = False
        self._found_something = False
        self._visited: set[int] = set()
        self._wanted = 0
        self.cycles = 0

    def hurry(self) -> None:
        """Walk fast until one cycle has found nothing."""
        self._hurry, self._found_something, self._all = True, False, END

    def pay(self, range_rows: int) -> None:
        """Add what a refresh may spend; what is saved is no more than the largest range costs."""
        factor = HURRY if self._hurry else 1
        self._rows = min(self._rows, max(2 * range_rows, self._wanted)) + ROWS * factor
        self._seconds = min(self._seconds, 0.0) + SECONDS * factor
        self._visited = set()

    def next_run(self, tiling: Tiling, range_rows: int, settling_from: int) -> list[Range] | None:
        """Return the ranges to read again now, several that may become one, or None where enough was spent."""
        if self._rows <= 0 or self._seconds <= 0:
            return None
        run = self._run(tiling, self._next(tiling), range_rows, settling_from)
        cost = sum(each.part.rows for each in run) + RANGE_COST_ROWS
        if run[0].start in self._visited:
            return None
        if cost > self._rows:
            self._wanted = cost  # rows of one instant cannot be told apart: a range may be larger than any other
            return None
        self._visited.add(run[0].start)
        return run

    def _next(self, tiling: Tiling) -> int:
        """Return the position of the range whose turn it is."""
        if self._recent <= max(tiling.start, tiling.end - RECENT_DAYS * MICROSECONDS_A_DAY):
            self._recent = END
        if self._all <= tiling.start:
            self._all, self._hurry, self._found_something = END, self._found_something, False
            self.cycles += 1
        cursor = self._recent if self._in_recent else self._all
        return tiling.position(min(cursor, tiling.end) - 1)

    @staticmethod
    def _run(tiling: Tiling, position: int, range_rows: int, settling_from: int) -> list[Range]:
        """Return a range and those before it that may become one with it: small, of one day, and settled for some time."""
        run = [tiling[position]]
        rows = run[0].part.rows
        while position > 0 and run[-1].end <= settling_from and run[0].part.rows:
            before = tiling[position - 1]
            rows += before.part.rows
            same_day = before.start // MICROSECONDS_A_DAY == (run[-1].end - 1) // MICROSECONDS_A_DAY
            if rows > range_rows or not before.part.rows or not same_day:
                break
            run.insert(0, before)
            position -= 1
        return run

    def note(self, run: Sequence[Range], ranges: Sequence[Range], seconds: float, *, same: bool) -> None:
        """Note what reading a run has cost and found; the turn goes to the next."""
        self._rows -= sum(each.part.rows for each in ranges) + RANGE_COST_ROWS
        self._seconds -= seconds
        if not same:
            self._found_something = self._hurry = True
        if self._in_recent:
            self._recent = run[0].start
        else:
            self._all = run[0].start
        self._in_recent = not self._in_recent and not self._hurry


def summary(ranges: Sequence[Range], lengths: Mapping[str, int]) -> dict[str, Any]:
    """Return what ranges say together, comparable however they are cut."""
    sums: dict[tuple[str, object, int], Any] = {}
    rejected: dict[str, int] = {}
    first_seen: dict[object, int] = {}
    for each in ranges:
        part = each.full_part()
        for name, rows in part.tables.items():
            for key, day, row in rows:
                add_sums(sums, (name, key, day), row)
        for reason, number in part.rejected.items():
            rejected[reason] = rejected.get(reason, 0) + number
        for key, instant in part.first_seen.items():
            first_seen[key] = min(instant, first_seen.get(key, instant))
    parts = [each.part for each in ranges]
    no_names: Names = {}
    return {
        "rows": sum(part.rows for part in parts),
        "sums": sums,
        "rejected": rejected,
        "first_seen": first_seen,
        "oldest": min((part.oldest for part in parts if part.oldest is not None), default=None),
        "newest": max((part.newest for part in parts if part.newest is not None), default=None),
        "tasks": unite([part.tasks for part in parts]),
        "task_spend": _task_spend(parts),
        "names": reduce(newest_names, (part.names for part in parts), no_names),
        "current": next((part.current for part in reversed(parts) if part.newest is not None), None),
        **{
            name: ranked((outcome for part in parts for outcome in getattr(part, name)), length)
            for name, length in lengths.items()
        },
    }


def _task_spend(parts: Sequence[Any]) -> dict[object, Any]:
    found: dict[object, Any] = {}
    for part in parts:
        for key, spend in part.task_spend.items():
            add_sums(found, key, spend)
    return found
