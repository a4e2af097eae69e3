"""Corrections: what verification found to differ takes the place of what was known."""

from __future__ import annotations

from typing import Any, TypeVar

from exporter.ledgers.ledger import Ledger
from exporter.reading.loaded import Loaded
from exporter.reading.pieces import Piece
from exporter.reading.verifier import Findings
from exporter.sums.range_sums import RangeSums
from exporter.sums.ranges import Range

R = TypeVar("R", bound=RangeSums)


def correct(ledger: Ledger[Any, R, Any], loaded: Loaded[R], findings: Findings[R]) -> tuple[int, int]:
    """Correct the settled ranges by what verification found; return how many were wrong, and how many rows were read."""
    settled, question = loaded.settled, loaded.question
    now = question.now.timestamp()
    corrections = rows = 0
    for each in findings.same:
        each.verified = now
    for each, piece in findings.different:
        is_same = _is_as_read(ledger, loaded, each, piece)
        loaded.dirty |= settled.put_piece(each, piece, question)
        if loaded.ids is not None:
            loaded.ids.settle(((row[0], row[1]) for row in piece.rows), piece.where)
        loaded.seen.see(piece.where.start, piece.where.end, [row[1] for row in piece.rows])
        corrections += not is_same
        loaded.verifier.note(corrected=not is_same)
        rows += len(piece.rows)
    # What is still to be read again keeps its place: joined with others it would be forgotten.
    same = [each for each in findings.same if each.start not in loaded.dirty]
    settled.join(settled.still_known(same), settled.settling_from(question))
    return corrections, rows


def _is_as_read(ledger: Ledger[Any, R, Any], loaded: Loaded[R], each: Range[R], piece: Piece) -> bool:
    """Tell whether rows say what is known of their range, but for late ones that the next refresh would have added."""
    if piece.where.start > each.start:
        return False
    ids = loaded.ids
    rows = piece.rows if ids is None else [row for row in piece.rows if ids.knows(row[0], row[1])]
    return bool(ledger.sums(rows, piece.where, loaded.question).says() == each.full_sums().says())
