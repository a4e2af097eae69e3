"""One refresh of a loaded ledger: what it asks, in order, and what it then takes in."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from exporter.databases.query import Dialogue, Result, ask, together
from exporter.ledgers.ledger import Abilities, Ledger, State, state_of
from exporter.ledgers.question import Question
from exporter.ledgers.span import Span
from exporter.parts.range_sums import RangeSums
from exporter.parts.ranges import END, Range
from exporter.reading import change_finder
from exporter.reading.change_finder import Changed, Counted
from exporter.reading.late_ids import Differences, LateIds, Mark
from exporter.reading.loaded import Loaded
from exporter.reading.newest_range import NewestRange, newest_end, settled_start
from exporter.reading.pieces import Piece, Pieces
from exporter.reading.tuning import Tuning

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


class LedgerRefresh(Generic[R]):
    """Brings a loaded ledger up to date; nothing is taken in before everything is read."""

    def __init__(
        self, ledger: Ledger[Any, R, Any], tuning: Tuning, able: Abilities, loaded: Loaded[R], question: Question
    ) -> None:
        self._ledger = ledger
        self._tuning = tuning
        self._able = able
        self._loaded = loaded
        self._question = question
        self._pieces: Pieces[R] = Pieces(ledger)
        self._end = newest_end(question)

    def run(self, connection: int) -> Dialogue[int]:
        """Read what is new and take it in; return how many rows were read. `connection` differs on every new connection."""
        evidence = yield from self._evidence(connection)
        ids = self._ids(evidence)
        late, updated = yield from together([self._late(ids, evidence), self._updated(evidence)])
        differences = self._differences(ids, late, evidence)
        instants = [*differences.gone, *self._updated_instants(evidence, updated)]
        dirty = self._dirty(evidence, instants)
        rereads = self._rereads(dirty)
        wanted = self._late_wanted(differences.late, rereads)
        is_future_dirty = any(at >= self._end for at in (*instants, *differences.late.values()))
        batch: list[Dialogue[Any]] = [
            self._late_rows(wanted),
            self._read_again(rereads),
            self._future(evidence, is_dirty=is_future_dirty),
        ]
        late_rows, pieces, future = yield from together(batch)
        found = Found(late, late_rows, updated, list(zip(rereads, pieces, strict=True)), future)
        self._take_in(evidence, found, ids, dirty)
        return len(evidence.piece.rows) + len(late_rows) + sum(len(piece.rows) for piece in pieces)

    # What is asked

    def _evidence(self, connection: int) -> Dialogue[Evidence]:
        loaded = self._loaded
        batch: list[Dialogue[Any]] = [
            ask(self._ledger.state(self._able)),
            self._newest(),
            change_finder.late_sum(self._ledger, loaded),
            change_finder.changed(self._ledger, loaded.updates, self._tuning),
            change_finder.counted(self._ledger, loaded, self._question, self._tuning),
        ]
        (answer,), piece, late, changed, counted = yield from together(batch)
        state = state_of(answer, self._ledger.name)
        return Evidence(state, piece, late, changed, counted, loaded.is_reset(state, connection))

    @property
    def _has_small_future(self) -> bool:
        """Tell whether few rows were booked for days to come: these are read together with the newest ones."""
        return self._loaded.future.sums.rows <= self._tuning.newest_rows

    def _newest(self) -> Dialogue[Piece]:
        """Read the newest rows, with those of days to come while these are few."""
        loaded = self._loaded
        # Where very many rows come in the least time that the newest range lasts, all of them are read.
        size = max(self._tuning.piece_rows, 4 * loaded.newest.sums.rows)
        start, end = loaded.newest.where.start, END if self._has_small_future else self._end
        piece = yield from self._pieces.read(Span(start, end), self._question, self._able, size)
        if piece.where.start > self._end:  # days to come have many rows now
            piece = yield from self._pieces.read(Span(start, self._end), self._question, self._able, size)
        return piece

    def _ids(self, evidence: Evidence) -> LateIds | None:
        """Return what finds late rows, begun anew after a reset."""
        largest = evidence.state.largest_id
        if largest is None:
            return None
        if evidence.is_reset or self._loaded.ids is None:
            return LateIds(largest, self._tuning)
        return self._loaded.ids

    def _late(self, ids: LateIds | None, evidence: Evidence) -> Dialogue[Result | None]:
        """Ask for the late ids, where their number or sum is not as known."""
        if ids is None:
            return None
        is_new = ids is not self._loaded.ids
        if (
            not is_new
            and evidence.late is not None
            and ids.are_as_known(*evidence.late, _instants(evidence.piece.rows))
        ):
            return None
        (rows,) = yield [self._ledger.late(ids.floor, evidence.piece.where, ids.most)]
        return rows

    def _updated(self, evidence: Evidence) -> Dialogue[Result | None]:
        """Ask for all rows updated in the last hour, where some must have been overlooked."""
        updates, changed = self._loaded.updates, evidence.changed
        if updates is None or changed is None:
            return None
        if not updates.is_cut(changed.rows) and updates.are_as_known(changed.count, changed.updated_sum, changed.rows):
            return None
        return (yield from change_finder.all_changed(self._ledger, updates.since, self._tuning))

    def _late_rows(self, wanted: Mapping[int, int]) -> Dialogue[Result]:
        """Read late rows, given the instants by id; these narrow the search to the partitions that are concerned."""
        if not wanted:
            return []
        size, late = self._tuning.piece_rows, list(wanted)
        some = [late[first : first + size] for first in range(0, len(late), size)]
        where = Span(min(wanted.values()), max(wanted.values()) + 1)
        answers = yield [self._ledger.rows_with(ids, where, self._question, self._able) for ids in some]
        return [row for rows in answers for row in rows]

    def _read_again(self, rereads: Sequence[Range[R]]) -> Dialogue[list[Piece]]:
        size = self._tuning.piece_rows
        return (
            yield from together(
                [
                    self._pieces.read(
                        Span(each.start, each.end), self._question, self._able, max(size, 2 * each.sums.rows)
                    )
                    for each in rereads
                ]
            )
        )

    def _future(self, evidence: Evidence, *, is_dirty: bool) -> Dialogue[Result | None]:
        """Return the rows of days to come: those read with the newest ones, or read now where something of them may differ."""
        if evidence.piece.where.end == END:
            return [row for row in evidence.piece.rows if row[1] >= self._end]
        former = self._loaded
        is_unguarded = former.ids is None and former.verifier.cycles != former.future_cycles
        has_grown = self._has_small_future  # they were to be read with the newest ones, but are too many now
        if not (is_dirty or is_unguarded or has_grown or evidence.is_reset or former.future.start != self._end):
            return None
        (rows,) = yield [self._ledger.all_rows_of(Span(self._end, END), self._question, self._able)]
        return rows

    # What differs

    def _differences(self, ids: LateIds | None, late: Result | None, evidence: Evidence) -> Differences:
        if ids is None or late is None or ids is not self._loaded.ids:
            return Differences({}, [], None)  # after a reset verification finds what differs
        return ids.differences(late, _instants(evidence.piece.rows))

    def _updated_instants(self, evidence: Evidence, updated: Result | None) -> list[int]:
        updates = self._loaded.updates
        if updates is None or evidence.changed is None:
            return []
        return updates.changed(evidence.changed.rows, updated)

    def _dirty(self, evidence: Evidence, instants: Iterable[int]) -> set[int]:
        """Return the starts of the settled ranges that must be read again."""
        loaded, settled = self._loaded, self._loaded.settled
        low, high = sorted((loaded.question.microseconds, self._question.microseconds))
        return (
            loaded.dirty
            | settled.starts_of(instants)
            | evidence.counted.different
            | settled.with_expired_pending(loaded.question.settled_before, self._question.settled_before)
            | settled.pruned(evidence.state.oldest)
            # A clock set back leaves rows of the future in settled ranges; time makes them rows of the past.
            | {each.start for each in settled.tiling.between(low + 1, high + 1) if low < high}
        )

    def _rereads(self, dirty: set[int]) -> list[Range[R]]:
        """Return the ranges to read again now, the newest first, at most so many rows but at least one range."""
        found: list[Range[R]] = []
        rows = 0
        for start in sorted(dirty, reverse=True):
            each = self._loaded.settled.tiling.find(start)
            if each is None or each.start != start:
                continue
            rows += each.sums.rows
            if found and rows > self._tuning.reread_rows:
                break
            found.append(each)
        return found

    def _late_wanted(self, late: dict[int, int], rereads: Sequence[Range[R]]) -> dict[int, int]:
        """Return the late ids, with their instants, whose rows are to be added: those of loaded ranges not read again."""
        starts = {each.start for each in rereads}
        find = self._loaded.settled.tiling.find
        found = ((row, at, find(at)) for row, at in late.items())
        return {row: at for row, at, each in found if each is not None and each.start not in starts}

    # What is taken in

    def _take_in(self, evidence: Evidence, found: Found[R], ids: LateIds | None, dirty: set[int]) -> None:
        loaded, question, settled = self._loaded, self._question, self._loaded.settled
        new_instants = self._new_instants(evidence, found)
        if question.today != loaded.question.today:
            settled.roll(question)
        dirty -= {each.start for each, _ in found.pieces}
        for each, piece in found.pieces:
            dirty |= settled.put_piece(each, piece, question)
        dirty |= settled.add_late(found.late_rows, question)
        start = self._settle_newest(evidence, dirty)
        settled.empty_before(evidence.state.oldest, question)
        loaded.dirty = settled.still_there(dirty)
        self._know_ids(evidence, found, ids, start)
        if loaded.updates is not None and evidence.changed is not None:
            loaded.updates.take_in(evidence.changed.rows, found.updated, question.microseconds)
        if not evidence.is_reset:
            loaded.lateness.note(question.now.timestamp(), loaded.question.now.timestamp(), new_instants)
        changed = 0 if evidence.changed is None else len(evidence.changed.rows)
        if found.future is not None:
            self._put_future(found.future)
        loaded.turn, loaded.state, loaded.question = evidence.counted.turn, evidence.state, question
        hint = loaded.hints.look(evidence.state, loaded.rows, changed, question.now.timestamp())
        if evidence.is_reset or (hint and not loaded.verifier.is_hurried):
            loaded.verifier.hurry()

    def _settle_newest(self, evidence: Evidence, dirty: set[int]) -> int:
        """Settle the older rows of the newest range when it has grown; return where it begins."""
        former, piece = self._loaded.newest.where.start, evidence.piece
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
                ranges.insert(0, settled.empty(former, piece.where.start, self._question))
                dirty.add(former)
            settled.put(former, start, ranges)
        newest = [row for row in rows if row[1] >= start]
        where = Span(start, self._end)
        self._loaded.newest = NewestRange(where, self._ledger.sums(newest, where, self._question))
        return start

    def _put_future(self, rows: Result) -> None:
        where = Span(self._end, END)
        sums = self._ledger.sums(rows, where, self._question)
        self._loaded.future = Range.of(where.start, where.end, sums, self._question.now.timestamp())
        self._loaded.future_cycles = self._loaded.verifier.cycles

    def _know_ids(self, evidence: Evidence, found: Found[R], ids: LateIds | None, start: int) -> None:
        """Note the ids that are outside the newest range now, and raise the floor below which none is looked at."""
        loaded, state, question = self._loaded, evidence.state, self._question
        before, loaded.ids = loaded.state, ids
        if ids is None or state.largest_id is None:
            return
        if found.late is None:
            ids.confirm()
        else:
            ids.learn(found.late)
        ids.enter_newest(start, self._end)
        outside = (row for row in evidence.piece.rows if not start <= row[1] < self._end)
        ids.settle((row[0], row[1]) for row in outside)
        for _, piece in found.pieces:
            ids.settle(((row[0], row[1]) for row in piece.rows), piece.where)
        mark = Mark(state.xmax, state.largest_id, question.now.timestamp())
        if ids.advance(mark, before.xmin) and not loaded.is_overlooking:
            loaded.is_overlooking = True
            log.warning(
                "a transaction is open for very long; verification alone finds what it books from now on",
                extra={"ledger": self._ledger.name, "rows_since": self._tuning.max_late_ids},
            )

    def _new_instants(self, evidence: Evidence, found: Found[R]) -> list[int]:
        """Return the instants of all rows that were first seen at this refresh, and note them as seen."""
        loaded, piece = self._loaded, evidence.piece
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


def _instants(rows: Result) -> dict[int, int]:
    """Return the instants of rows by id."""
    return {row[0]: row[1] for row in rows}
