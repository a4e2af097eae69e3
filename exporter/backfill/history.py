"""One ledger of one source in order of time: its rows are read once, in chunks, and added up as time goes on."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator
from datetime import UTC, datetime
from operator import itemgetter
from typing import Any, Generic, TypeVar

from exporter.databases.postgresql import Source
from exporter.databases.query import Dialogue, Result
from exporter.ledgers.ledger import Abilities, Ledger
from exporter.ledgers.question import Question
from exporter.ledgers.span import Span
from exporter.sums import WINDOWS, Part
from exporter.sums.days import MICROSECONDS_A_DAY
from exporter.sums.range_sums import RangeSums, larger
from exporter.sums.ranges import BEGINNING

CHUNK_ROWS = 20_000
"""How many rows of a ledger are read at once."""

_INSTANT = itemgetter(1)
_PLAIN = Abilities(identity=False, snapshots=False, ids=False, rows=0, indexed=True, updates_indexed=False)
"""Asks for rows without their ids and fingerprints."""
_UNTITLED = Question(datetime(9999, 1, 1, tzinfo=UTC))
"""Asks for no titles: they stand in rankings only, which are not told."""

R = TypeVar("R", bound=RangeSums)


class History(Generic[R]):
    """A ledger as a refresh would have known it at instants that ascend.

    The rows of today, and those that are pending, are the newest range; all before are settled, and their sums stay.
    """

    def __init__(self, source: Source, ledger: Ledger[Any, R, Any], begin: Question, last: Question) -> None:
        """Begin at one instant; what is after another is not read.

        Raises:
            SourceError: the ledger cannot be read.
        """
        self._ledger = ledger
        self._chunks = _chunks(source, ledger, _after(ledger, last.microseconds))
        self._rows: Result = next(self._chunks, [])
        self._position = 0
        self._today = begin.today
        self._settled = ledger.settled(begin.today)
        self._ranges: list[R] = []
        self._newest = ledger.sums([], Span(0, 0), begin)
        self._pending: Result = []
        self._seen: int | None = None

    def part(self, question: Question) -> Part:
        """Return what was known of the ledger at an instant.

        Raises:
            SourceError: the ledger cannot be read.
        """
        if question.today != self._today:
            self._go_over_to_another_day(question)
        pending, self._pending = self._pending, []
        self._take(pending, question)
        for rows in self._reached(question.microseconds):
            self._take(rows, question)
        newest = self._newest + self._sums(self._pending, question)
        rejected = {reason: number + newest.rejected[reason] for reason, number in self._settled.rejected.items()}
        base = Part(question.now.timestamp(), question.today, WINDOWS, rejected, self._seen)
        part: Part = self._ledger.part(question, base, self._settled, self._ranges, newest)
        return part

    def _go_over_to_another_day(self, question: Question) -> None:
        """Settle what was today's. Of former ranges those are kept that a ranking or the newest allocation may be of."""
        self._today = question.today
        self._settled.roll(question.today)
        self._settle(self._newest)
        self._newest = self._sums([], question)
        recent = [each for each in self._ranges[:-1] if (each.newest or 0) >= question.recent_start]
        self._ranges = [self._settled.forgetting(each, _end_of_day(each)) for each in (*recent, *self._ranges[-1:])]

    def _take(self, rows: Result, question: Question) -> None:
        """Take in rows that are reached, of whatever day."""
        midnight = question.today * MICROSECONDS_A_DAY
        earlier: Result = []
        today: Result = []
        for row in rows:
            if self._ledger.is_pending(row, question):
                self._pending.append(row)
            else:
                (today if row[1] >= midnight else earlier).append(row)
        if earlier:
            self._settle(self._sums(earlier, question))
        if today:
            self._newest += self._sums(today, question)

    def _settle(self, sums: R) -> None:
        if sums.rows:
            self._settled.add(sums)
            self._ranges.append(sums.split()[0])

    def _sums(self, rows: Result, question: Question) -> R:
        """Return what rows add up to; single tasks only where they may be of today or yesterday."""
        newest = max(map(_INSTANT, rows), default=0)
        sums = self._ledger.sums(rows, Span(0, newest + 1), question)
        self._seen = larger(self._seen, sums.newest)
        return sums

    def _reached(self, instant: int) -> Iterator[Result]:
        """Yield the rows up to an instant that were not reached before, no more than a chunk at once."""
        while True:
            first, self._position = self._position, bisect_right(self._rows, instant, self._position, key=_INSTANT)
            yield self._rows[first : self._position]
            if self._position < len(self._rows):
                return
            chunk = next(self._chunks, None)
            if chunk is None:
                return
            self._rows, self._position = chunk, 0


def _end_of_day(sums: RangeSums) -> int:
    return ((sums.newest or 0) // MICROSECONDS_A_DAY + 1) * MICROSECONDS_A_DAY


def _chunks(source: Source, ledger: Ledger[Any, Any, Any], end: int) -> Iterator[Result]:
    """Yield the rows before an instant, in order of theirs.

    Each chunk is read in a snapshot of its own: the past is taken to be settled, and no transaction stays open long.
    """
    start = BEGINNING
    while start < end:
        with source.snapshot() as transaction:
            rows, start = transaction.hold(_chunk(ledger, Span(start, end)))
        yield rows


def _chunk(ledger: Ledger[Any, Any, Any], where: Span) -> Dialogue[tuple[Result, int]]:
    """Ask for the oldest rows of a span, not too many at once; return them and the end of the span they are all of."""
    (rows,) = yield [ledger.oldest_rows_of(where, _UNTITLED, _PLAIN, CHUNK_ROWS)]
    if len(rows) < CHUNK_ROWS:
        return rows, where.end
    last = rows[-1][1]
    whole = [row for row in rows if row[1] < last]
    if whole:
        return whole, last
    after = _after(ledger, last)
    (rows,) = yield [ledger.all_rows_of(Span(last, after), _UNTITLED, _PLAIN)]
    return rows, after


def _after(ledger: Ledger[Any, Any, Any], instant: int) -> int:
    """Return the end of a span that an instant is the last of."""
    unit = MICROSECONDS_A_DAY if ledger.instant == "calendar_day" else 1
    return (instant // unit + 1) * unit
