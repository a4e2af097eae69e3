"""What a refresh has found of a loaded ledger, and how it is taken in: at once, when everything is read."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from exporter.databases.query import Result
from exporter.ledgers.ledger import Ledger, State
from exporter.ledgers.question import Question
from exporter.ledgers.span import Span
from exporter.reading.change_finder import Changed, Counted
from exporter.reading.late_ids import LateIds, Mark
from exporter.reading.loaded import Loaded
from exporter.reading.newest_range import NewestRange, newest_end, settled_start
from exporter.reading.pieces import Piece
from exporter.reading.tuning import Tuning
from exporter.sums.days import MICROSECONDS_A_DAY
from exporter.sums.range_sums import RangeSums
from exporter.sums.ranges import END, Range

log = logging.getLogger(__name__)

R = TypeVar("R", bound=RangeSums)


@dataclass(frozen=True)
class Evidence:
    """What the first batch of a refresh has found. `late` are number and sum of the ids above the floor."""

    state: State
    piece: Piece
    late: tuple[int, int] | None
    changed: Changed | None
    counted: Counted
    is_reset: bool


@dataclass(frozen=True)
class Found(Generic[R]):
    """All that a refresh has read after its first batch.

    `late` is the answer about late ids, None where it was not asked for, and `late_rows` the rows among them that are new.
    `updated` are all rows updated in the last hour, None where only new ones were asked for. `pieces` are what was read again,
    with the ranges they take the place of; `future` the rows of days to come, None where these were not read.
    """

    late: Result | None
    late_rows: Result
    updated: Result | None
    pieces: Sequence[tuple[Range[R], Piece]]
    future: Result | None


class Intake(Generic[R]):
    """Takes in what one refresh has found of a ledger."""

    def __init__(
        self,
        ledger: Ledger[Any, R, Any],
        tuning: Tuning,
        loaded: Loaded[R],
        question: Question,
        evidence: Evidence,
    ) -> None:
        self._ledger = ledger
        self._tuning = tuning
        self._loaded = loaded
        self._question = question
        self._evidence = evidence
        self._end = newest_end(question)

    def take_in(self, found: Found[R], ids: LateIds | None, dirty: set[int]) -> None:
        """Take in what was found. `ids` finds late rows from now on, `dirty` are the starts of ranges to be read again."""
        loaded, question, settled, evidence = self._loaded, self._question, self._loaded.settled, self._evidence
        new_instants = self._new_instants(found)
        if question.today != loaded.question.today:
            settled.roll(question)
        dirty -= {each.start for each, _ in found.pieces}
        for each, piece in found.pieces:
            dirty |= settled.put_piece(each, piece, question)
        dirty |= settled.add_late(found.late_rows, question)
        start = self._settle_newest(dirty)
        settled.empty_before(evidence.state.oldest, question)
        loaded.dirty = settled.still_there(dirty)
        self._know_ids(found, ids, start)
        if loaded.updates is not None and evidence.changed is not None:
            loaded.updates.take_in(evidence.changed.rows, found.updated, question.microseconds)
        if not evidence.is_reset:
            loaded.lateness.note(question.now.timestamp(), loaded.question.now.timestamp(), new_instants)
        changed = 0 if evidence.changed is None else len(evidence.changed.rows)
        if found.future is not None:
            self._put_future(found.future)
        loaded.turn, loaded.state, loaded.question = evidence.counted.turn, evidence.state, question
        hint = loaded.hints.look(evidence.state, loaded.rows, changed, question.now.timestamp())
        if hint and not loaded.verifier.is_hurried:
            loaded.hints.follow()
            loaded.verifier.hurry()
        elif evidence.is_reset:
            loaded.verifier.hurry()

    def _settle_newest(self, dirty: set[int]) -> int:
        """Settle the older rows of the newest range when it has grown; return where it begins."""
        former, piece = self._loaded.newest.where.start, self._evidence.piece
        rows = [row for row in piece.rows if row[1] < self._end]
        of_days = not self._ledger.split_at_midnight
        start = settled_start(rows, piece.where.start, self._question, self._tuning, of_days=of_days)
        if start > former:
            settled = self._loaded.settled
            ranges = (
                settled.made_of(
                    [row for row in rows if row[1] < start],
                    Span(piece.where.start, start),
                    self._question,
                    self._tuning.settling_range_rows,
                )
                if start > piece.where.start
                else []
            )
            if piece.where.start > former:  # more rows came than were read: the others are read from now on
                gap = self._gap(former, piece.where.start)
                dirty |= {each.start for each in gap}
                ranges[:0] = gap
            settled.put(former, start, ranges)
        newest = [row for row in rows if row[1] >= start]
        where = Span(start, self._end)
        self._loaded.newest = NewestRange(where, newest, self._ledger.sums(newest, where, self._question))
        return start

    def _gap(self, start: int, end: int) -> list[Range[R]]:
        """Return the ranges between two instants, of which only rows are known that were in the newest range before."""
        settled, question = self._loaded.settled, self._question
        known = [row for row in self._loaded.newest.rows if row[1] < end]
        unit = 1 if self._ledger.split_at_midnight else MICROSECONDS_A_DAY
        middle = max((row[1] // unit * unit + unit for row in known), default=start)
        ranges = settled.made_of(known, Span(start, middle), question, len(known)) if known else []
        return [*ranges, settled.empty(middle, end, question)] if middle < end else ranges

    def _put_future(self, rows: Result) -> None:
        where = Span(self._end, END)
        sums = self._ledger.sums(rows, where, self._question)
        self._loaded.future = Range.of(where.start, where.end, sums, self._question.now.timestamp())
        self._loaded.future_cycles = self._loaded.verifier.cycles

    def _know_ids(self, found: Found[R], ids: LateIds | None, start: int) -> None:
        """Note the ids that are outside the newest range now, and raise the floor below which none is looked at."""
        loaded, state, question = self._loaded, self._evidence.state, self._question
        before, loaded.ids = loaded.state, ids
        if ids is None or state.largest_id is None:
            return
        if found.late is None:
            ids.confirm()
        else:
            ids.learn(found.late)
        piece = self._evidence.piece
        ids.settle(((row[0], row[1]) for row in piece.rows if not start <= row[1] < self._end), piece.where)
        for _, piece in found.pieces:
            ids.settle(((row[0], row[1]) for row in piece.rows), piece.where)
        mark = Mark(state.xmax, state.largest_id, question.now.timestamp())
        if ids.advance(mark, before.xmin) and not loaded.is_overlooking:
            loaded.is_overlooking = True
            log.warning(
                "a transaction is open for very long; verification alone finds what it books from now on",
                extra={"ledger": self._ledger.name, "rows_since": self._tuning.max_late_ids},
            )

    def _new_instants(self, found: Found[R]) -> list[int]:
        """Return the instants of all rows that were first seen at this refresh, and note them as seen."""
        loaded, piece = self._loaded, self._evidence.piece
        seen = loaded.seen
        new = seen.see(piece.where.start, self._end, [row[1] for row in piece.rows if row[1] < self._end])
        if loaded.ids is not None:
            seen.forget(piece.where.start, self._tuning.look_back_rows)
            return [*new, *(row[1] for row in found.late_rows)]
        for _, again in found.pieces:
            new += seen.see(again.where.start, again.where.end, [row[1] for row in again.rows])
        oldest = self._question.microseconds - self._tuning.look_back_max_seconds * 1_000_000
        seen.forget(oldest, 2 * self._tuning.look_back_rows)
        return new
