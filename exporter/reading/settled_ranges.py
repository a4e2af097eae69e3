"""The settled ranges of a ledger and their running totals, which always belong together."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Generic, TypeVar

from exporter.databases.query import Result
from exporter.ledgers.ledger import Ledger
from exporter.ledgers.question import Question
from exporter.ledgers.span import Span
from exporter.reading.pieces import Piece
from exporter.reading.tuning import Tuning
from exporter.sums.days import MICROSECONDS_A_DAY
from exporter.sums.range_sums import RangeSums
from exporter.sums.ranges import BEGINNING, END, Range, Tiling
from exporter.sums.settled import Settled

R = TypeVar("R", bound=RangeSums)


def midnight(instant: int) -> int:
    """Return the first instant of an instant's UTC day, in microseconds."""
    return instant // MICROSECONDS_A_DAY * MICROSECONDS_A_DAY


class SettledRanges(Generic[R]):
    """The ranges before the newest one, each with its sums, and what they all add up to."""

    def __init__(self, ledger: Ledger[Any, R, Any], tuning: Tuning, today: int, end: int) -> None:
        """Begin with no ranges; what is loaded will end at `end`."""
        self._ledger = ledger
        self._tuning = tuning
        self.totals: Settled[R] = ledger.settled(today)
        self.tiling: Tiling[R] = Tiling(end)

    def __iter__(self) -> Iterator[Range[R]]:
        return iter(self.tiling)

    @property
    def is_complete(self) -> bool:
        """Tell whether the whole ledger is loaded."""
        return self.tiling.start == BEGINNING

    def sums(self) -> list[R]:
        """Return the sums of all ranges, without their tables, in order of time."""
        return [each.sums for each in self.tiling]

    @property
    def range_rows(self) -> int:
        """Return up to how many rows ranges are joined."""
        return max(self._tuning.range_rows, self.totals.rows // self._tuning.ledger_share)

    def put(self, start: int, end: int, ranges: list[Range[R]]) -> None:
        """Put ranges in the place of those that were, and their sums in the totals."""
        for former in self.tiling.replace(start, end, ranges):
            self.totals.remove(former.full_sums())
        for each in ranges:
            self.totals.add(each.full_sums())

    def put_piece(self, each: Range[R], piece: Piece, question: Question) -> set[int]:
        """Put what was read of a range in its place; return the start of what is still to be read of it, if something is."""
        ranges = self.made_of(piece.rows, piece.where, question, self.size_at(piece.where.end, question))
        unread = piece.where.start > each.start
        if unread:
            ranges.insert(0, self.empty(each.start, piece.where.start, question))
        self.put(each.start, each.end, ranges)
        return {each.start} if unread else set()

    def add_late(self, rows: Result, question: Question) -> set[int]:
        """Add late rows to the ranges they are of; return the starts of ranges that have outgrown their size."""
        by_start: dict[int, Result] = {}
        for row in rows:
            if (each := self.tiling.find(row[1])) is not None:
                by_start.setdefault(each.start, []).append(row)
        outgrown = set()
        for start, some in by_start.items():
            each = self.tiling[self.tiling.position(start)]
            sums = self._ledger.sums(some, Span(each.start, each.end), question)
            grown = Range.of(each.start, each.end, each.full_sums() + sums, each.verified)
            self.tiling.replace(each.start, each.end, [grown])
            self.totals.add(sums)
            if grown.sums.rows > 2 * self.range_rows or not self._is_of_one_day(grown):
                outgrown.add(start)
        return outgrown

    def _is_of_one_day(self, each: Range[R]) -> bool:
        days = each.start // MICROSECONDS_A_DAY == (each.end - 1) // MICROSECONDS_A_DAY
        return days or not self._ledger.split_at_midnight

    def size_at(self, end: int, question: Question) -> int:
        """Return of how many rows ranges are made that end at an instant: small ones, while outcomes are still scored."""
        is_settling = self._ledger.has_updates and end > self.settling_from(question)
        return self._tuning.settling_range_rows if is_settling else self.range_rows

    def settling_from(self, question: Question) -> int:
        """Return the instant from which on ranges stay small, because their rows are still being updated."""
        lately = self._tuning.settling_seconds + (question.grace.total_seconds() if self._ledger.has_updates else 0)
        return int((question.now.timestamp() - lately) * 1_000_000)

    def still_there(self, starts: set[int]) -> set[int]:
        """Return those starts that are of ranges."""
        found = ((start, self.tiling.find(start)) for start in starts)
        return {start for start, each in found if each is not None and each.start == start}

    def roll(self, question: Question) -> None:
        """Go over to another day."""
        self.totals.roll(question.today)
        for each in self.tiling:
            each.sums = self.totals.forgetting(each.sums, each.end)

    def made_of(self, rows: Result, where: Span, question: Question, size: int) -> list[Range[R]]:
        """Return ranges that tile a span, made of its rows: within a day each, and of about `size` rows."""
        ranges: list[Range[R]] = []
        for start, end, some in self._tiles(sorted(rows, key=lambda row: row[1]), where, size):
            sums = self._ledger.sums(some, Span(start, end), question)
            ranges.append(Range.of(start, end, sums, question.now.timestamp()))
        return ranges

    def _tiles(self, rows: Result, where: Span, size: int) -> Iterator[tuple[int, int, Result]]:
        """Yield where ranges begin and end, and their rows, for rows in order of time."""
        start, first = where.start, 0
        while first < len(rows):
            last = self._last(rows, first, size)
            end = where.end if last == len(rows) else rows[last][1]
            if self._ledger.split_at_midnight:
                day = midnight(rows[first][1])
                if start < day:  # a time without rows may be of many days
                    yield start, day, []
                    start = day
                end = min(end, day + MICROSECONDS_A_DAY)
            elif last < len(rows):
                end = midnight(end)
            yield start, end, rows[first:last]
            start, first = end, last
        if start < where.end:
            yield start, where.end, []

    def _last(self, rows: Result, first: int, size: int) -> int:
        """Return the position after the last row of the range that begins with a row."""
        unit = 1 if self._ledger.split_at_midnight else MICROSECONDS_A_DAY
        last = min(len(rows), first + size)
        if self._ledger.split_at_midnight:
            tomorrow = midnight(rows[first][1]) + MICROSECONDS_A_DAY
            while last > first and rows[last - 1][1] >= tomorrow:
                last -= 1
        while last < len(rows) and rows[last][1] // unit == rows[last - 1][1] // unit:
            last += 1  # rows of one instant, or of one day where instants are days, stay together
        return last

    def starts_of(self, instants: Iterable[int]) -> set[int]:
        """Return the starts of the ranges that hold an instant."""
        found = (self.tiling.find(instant) for instant in instants)
        return {each.start for each in found if each is not None}

    def with_expired_pending(self, before: int, now: int) -> set[int]:
        """Return the starts of ranges with an outcome that has ceased to be pending, or is pending again.

        `before` and `now` are up to which instants outcomes were settled, and are.
        """
        if before == now:
            return set()
        turned = self.tiling.between(min(before, now), max(before, now) + 1)
        if now < before:  # the clock was set back a little
            return {each.start for each in turned}
        return {
            each.start
            for each in turned
            if (oldest := getattr(each.sums, "oldest_pending", None)) is not None and oldest <= now
        }

    def pruned(self, oldest: int | None) -> set[int]:
        """Return the start of the range in which the ledger begins, if it began elsewhere before."""
        if oldest is None:
            return set()
        found = self.tiling.find(oldest)
        return {found.start} if found is not None and found.sums.oldest != oldest else set()

    def still_known(self, ranges: Iterable[Range[R]]) -> list[Range[R]]:
        """Return those ranges that are still in their places."""
        return [each for each in ranges if self.tiling.find(each.start) is each]

    def empty_before(self, oldest: int | None, question: Question) -> None:
        """Empty the ranges that lie before the oldest row, None where the ledger has no row."""
        limit = END if oldest is None else oldest
        emptied = [each for each in self.tiling if each.end <= limit]
        if len(emptied) > 1 or any(each.sums.rows for each in emptied):
            start, end = emptied[0].start, emptied[-1].end
            self.put(start, end, [self.empty(start, end, question)])

    def empty(self, start: int, end: int, question: Question) -> Range[R]:
        """Return a range without rows."""
        return Range.of(start, end, self._ledger.sums([], Span(start, end), question), question.now.timestamp())

    def join(self, run: Sequence[Range[R]], settling_from: int) -> None:
        """Join neighbouring ranges of one day that may become one."""
        groups: list[list[Range[R]]] = []
        for each in run:
            group = groups[-1] if groups else []
            if group and self._may_join(group, each, settling_from):
                group.append(each)
            else:
                groups.append([each])
        for first, *others in groups:
            if others:
                joined = first
                for other in others:
                    joined = joined.joined(other)
                self.tiling.replace(joined.start, joined.end, [joined])

    def _may_join(self, group: Sequence[Range[R]], each: Range[R], settling_from: int) -> bool:
        if group[-1].end != each.start:
            return False
        rows = each.sums.rows + sum(other.sums.rows for other in group)
        if not rows:
            return True
        days = group[0].start // MICROSECONDS_A_DAY == (each.end - 1) // MICROSECONDS_A_DAY
        same_day = days or not self._ledger.split_at_midnight
        return each.end <= settling_from and same_day and rows <= self.range_rows
