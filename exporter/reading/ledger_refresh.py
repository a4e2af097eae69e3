"""One refresh of a loaded ledger: what it asks, in order."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import Any, Generic, TypeVar

from exporter.databases.query import Dialogue, Result, ask, together
from exporter.ledgers.ledger import Abilities, Ledger, state_of
from exporter.ledgers.question import Question
from exporter.ledgers.span import Span
from exporter.reading import change_finder
from exporter.reading.intake import Evidence, Found, Intake
from exporter.reading.late_ids import Differences, LateIds, Place, ReadPlace
from exporter.reading.loaded import Loaded
from exporter.reading.newest_range import newest_end
from exporter.reading.pieces import Piece, Pieces
from exporter.reading.tuning import Tuning
from exporter.sums.range_sums import RangeSums
from exporter.sums.ranges import END, Range

R = TypeVar("R", bound=RangeSums)


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
        is_future_dirty = any(at >= self._end for at in (*instants, *(at for _, at in differences.late)))
        batch: list[Dialogue[Any]] = [
            self._late_rows(wanted),
            self._read_again(rereads),
            self._future(evidence, is_dirty=is_future_dirty),
        ]
        late_rows, pieces, future = yield from together(batch)
        found = Found(late, late_rows, updated, list(zip(rereads, pieces, strict=True)), future)
        Intake(self._ledger, self._tuning, self._loaded, self._question, evidence).take_in(found, ids, dirty)
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
        if piece.where.start >= self._end:  # days to come have many rows now
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
        if not is_new and evidence.late is not None and ids.are_as_known(*evidence.late, _places(evidence.piece.rows)):
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

    def _late_rows(self, wanted: Collection[Place]) -> Dialogue[Result]:
        """Read late rows; their instants narrow the search to the partitions that are concerned."""
        if not wanted:
            return []
        size, late = self._tuning.piece_rows, sorted({row for row, _ in wanted})
        some = [late[first : first + size] for first in range(0, len(late), size)]
        instants = [at for _, at in wanted]
        where = Span(min(instants), max(instants) + 1)
        answers = yield [self._ledger.rows_with(ids, where, self._question, self._able) for ids in some]
        return [row for rows in answers for row in rows if (row[0], row[1]) in wanted]

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
        is_to_be_verified = former.verifier.cycles != former.future_cycles  # once a cycle, as all other rows
        has_grown = self._has_small_future  # they were to be read with the newest ones, but are too many now
        if not (is_dirty or is_to_be_verified or has_grown or evidence.is_reset or former.future.start != self._end):
            return None
        (rows,) = yield [self._ledger.all_rows_of(Span(self._end, END), self._question, self._able)]
        return rows

    # What differs

    def _differences(self, ids: LateIds | None, late: Result | None, evidence: Evidence) -> Differences:
        if ids is None or late is None or ids is not self._loaded.ids:
            return Differences(frozenset(), [], None)  # after a reset verification finds what differs
        return ids.differences(late, _places(evidence.piece.rows))

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

    def _late_wanted(self, late: Collection[Place], rereads: Sequence[Range[R]]) -> set[Place]:
        """Return the late rows that are to be added: those of loaded ranges that are not read again."""
        starts = {each.start for each in rereads}
        find = self._loaded.settled.tiling.find
        return {row for row in late if (each := find(row[1])) is not None and each.start not in starts}


def _places(rows: Result) -> list[ReadPlace]:
    """Return ids and instants of rows."""
    return [(row[0], row[1]) for row in rows]
