"""Verification: settled ranges are compared with the ledger again, so that edits, deletions and moves surface too."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from exporter.databases.query import Dialogue
from exporter.ledgers.ledger import Abilities, Ledger
from exporter.ledgers.question import Question
from exporter.ledgers.span import Span
from exporter.reading.pieces import Piece, Pieces
from exporter.reading.tuning import Tuning
from exporter.sums.range_sums import RangeSums
from exporter.sums.ranges import END, Range, Tiling

R = TypeVar("R", bound=RangeSums)

_SMALL_COST = 20
"""A range costs about as much as this many rows, beside its own."""


@dataclass(frozen=True)
class Findings(Generic[R]):
    """What a step of verification found: ranges that are as known, and for those that are not, their rows."""

    same: Sequence[Range[R]]
    different: Sequence[tuple[Range[R], Piece]]
    rows: int


class Verifier(Generic[R]):
    """Compares settled ranges with the ledger in turn, from the newest to the oldest, by the fingerprints of their rows.

    Fingerprints pay for rows, never for ranges. Some ranges are read as rows besides, in a slower turn of their own: a
    fingerprint does not see that an expression of the mapping means something else. It hurries after a reset, a correction or a
    hint, until a whole cycle has found nothing.
    """

    def __init__(self, ledger: Ledger[Any, R, Any], tuning: Tuning) -> None:
        self._ledger = ledger
        self._tuning = tuning
        self._pieces = Pieces(ledger)
        self._next = END
        self._next_read = END
        self._saved_rows = 0
        self._found_something = False
        self._is_to_be_repeated = False
        self.is_hurried = False
        self.is_clean = True
        self.cycles = 0

    def hurry(self) -> None:
        """Verify fast until one whole cycle, from the newest range on, has found nothing."""
        if self.is_hurried:
            self._is_to_be_repeated = True  # begun again at each reset, a cycle would never end
        else:
            self.is_hurried, self._found_something, self._next = True, False, END

    def step(self, tiling: Tiling[R], rows: int, question: Question, able: Abilities) -> Dialogue[Findings[R]]:
        """Verify the next ranges, of `rows` in all, and read those whose rows differ."""
        run = self._run(tiling, rows, able)
        suspects = yield from self._suspects(run, able)
        by_reading = self._to_be_read(tiling, able)
        pieces: list[tuple[Range[R], Piece]] = []
        rows = sum(each.sums.rows for each in run)
        for each in dict.fromkeys((*suspects, *by_reading)):
            if pieces and sum(len(piece.rows) for _, piece in pieces) > self._tuning.reread_rows:
                break
            piece = yield from self._pieces.read(
                Span(each.start, each.end), question, able, max(self._tuning.reread_rows, 2 * each.sums.rows)
            )
            pieces.append((each, piece))
        read = {each.start for each, _ in pieces}
        # What was not read for want of time is verified again, from there on.
        left = [each for each in suspects if each.start not in read]
        verified = [each for each in run if not left or each.start > left[0].start]
        self._advance(tiling, run, verified)
        return Findings([each for each in verified if each.start not in read], pieces, rows)

    def note(self, *, corrected: bool) -> None:
        """Note whether a step led to a correction."""
        if corrected:
            self._found_something = self.is_hurried = True

    def _run(self, tiling: Tiling[R], rows: int, able: Abilities) -> list[Range[R]]:
        """Return the ranges whose turn it is: neighbours, in order of time, as many as a step pays for."""
        if able.fingerprint == "none" or not len(tiling):
            return []
        is_small = rows <= self._tuning.small_ledger_rows
        half = (rows + len(tiling) * _SMALL_COST) // 2 if is_small else 0
        budget = self._tuning.hurried_rows if self.is_hurried else max(self._tuning.verified_rows, half)
        position = tiling.position(min(self._next, tiling.end) - 1)
        run = [tiling[position]]
        cost = run[0].sums.rows + _SMALL_COST
        while position > 0:
            position -= 1
            cost += tiling[position].sums.rows + _SMALL_COST
            if cost > budget:
                break
            run.append(tiling[position])
        return run[::-1]

    def _suspects(self, run: Sequence[Range[R]], able: Abilities) -> Dialogue[list[Range[R]]]:
        """Return the ranges whose rows differ from those that were read, the newest first."""
        if not run:
            return []
        (groups,) = yield [self._ledger.fingerprints([each.start for each in run], run[-1].end, able)]
        found = {position: (rows, int(fingerprint)) for position, rows, fingerprint in groups}
        known = ((each, found.get(position, (0, 0))) for position, each in enumerate(run, 1))
        return [each for each, now in known if now != (each.sums.rows, each.sums.fingerprint)][::-1]

    def _to_be_read(self, tiling: Tiling[R], able: Abilities) -> list[Range[R]]:
        """Return the range to be read as rows, once enough was saved for it."""
        if not len(tiling):
            return []
        has_fingerprints = able.fingerprint != "none"
        factor = 1 if has_fingerprints else self._tuning.verified_rows // max(1, 4 * self._tuning.verified_by_reading)
        self._saved_rows += self._tuning.verified_by_reading * max(1, factor)
        if self._next_read <= tiling.start:
            self._next_read = END
            if not has_fingerprints:
                self._end_cycle()
        found: list[Range[R]] = []
        position = tiling.position(min(self._next_read, tiling.end) - 1)
        while position >= 0 and self._saved_rows >= (cost := tiling[position].sums.rows + _SMALL_COST):
            self._saved_rows -= cost
            found.append(tiling[position])
            self._next_read = tiling[position].start
            position -= 1
            if has_fingerprints:
                break
        if position >= 0:
            largest = tiling[position].sums.rows + _SMALL_COST
            self._saved_rows = min(self._saved_rows, largest)
        return found

    def _advance(self, tiling: Tiling[R], run: Sequence[Range[R]], verified: Sequence[Range[R]]) -> None:
        if verified:
            self._next = verified[0].start
        if (not len(tiling)) or (run and self._next <= tiling.start):
            self._end_cycle()
            self._next = END

    def _end_cycle(self) -> None:
        self.is_clean = not self._found_something
        self.is_hurried = self.is_hurried and (self._found_something or self._is_to_be_repeated)
        self._found_something = self._is_to_be_repeated = False
        self.cycles += 1
