"""The first read of a ledger: nothing of it is known yet."""

from __future__ import annotations

from typing import Any

from exporter.databases.query import Dialogue, Result, ask, given, together
from exporter.ledgers.ledger import Abilities, Ledger, state_of
from exporter.ledgers.question import Question
from exporter.ledgers.span import Span
from exporter.reading import change_finder
from exporter.reading.hints import Hints
from exporter.reading.late_ids import LateIds
from exporter.reading.lateness import Lateness
from exporter.reading.loaded import Loaded
from exporter.reading.newest_range import NewestRange, newest_end, newest_start
from exporter.reading.pieces import Pieces
from exporter.reading.seen_instants import SeenInstants
from exporter.reading.settled_ranges import SettledRanges
from exporter.reading.tuning import Tuning
from exporter.reading.updates import Updates
from exporter.reading.verifier import Verifier
from exporter.sums.ranges import BEGINNING, END, Range


def first_read(
    ledger: Ledger[Any, Any, Any], tuning: Tuning, able: Abilities, question: Question, connection: int
) -> Dialogue[Loaded[Any]]:
    """Read the newest rows and those of days to come; older ones are loaded later. `connection` differs on every new one."""
    end = newest_end(question)
    answer, (cut,) = yield [ledger.state(able), ledger.newest(Span(BEGINNING, end), tuning.newest_rows)]
    state = state_of(answer, ledger.name)
    start = newest_start(cut, question, tuning, of_days=not ledger.split_at_midnight)
    updates = Updates(tuning, question.microseconds) if able.updates_indexed else None
    ids = None if state.largest_id is None else LateIds(state.largest_id, tuning)
    newest: Dialogue[Any] = Pieces(ledger).read(Span(start, end), question, able, tuning.piece_rows)
    future: Dialogue[Any] = ask(ledger.all_rows_of(Span(end, END), question, able))
    updated: Dialogue[Any] = (
        given(None) if updates is None else change_finder.all_changed(ledger, updates.since, tuning)
    )
    piece, (rows,), changed = yield from together([newest, future, updated])
    late: Result = []
    if ids is not None:
        (late,) = yield [ledger.late(ids.floor, piece.where, ids.most)]
        ids.learn(late)
    if updates is not None:
        updates.take_in([], changed, question.microseconds)
    settled = SettledRanges(ledger, tuning, question.today, piece.where.start)
    seen = SeenInstants(piece.where.start)
    seen.see(piece.where.start, end, [row[1] for row in piece.rows])
    return Loaded(
        question=question,
        connection=connection,
        fingerprint=able.fingerprint,
        state=state,
        newest=NewestRange(piece.where, piece.rows, ledger.sums(piece.rows, piece.where, question)),
        future=Range.of(end, END, ledger.sums(rows, Span(end, END), question), question.now.timestamp()),
        settled=settled,
        verifier=Verifier(ledger, tuning),
        ids=ids,
        updates=updates,
        seen=seen,
        lateness=Lateness(tuning),
        hints=Hints(tuning),
    )
