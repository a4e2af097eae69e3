"""Reading ranges in pieces of bounded size, the newest rows first."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from exporter.databases.query import Dialogue, Result
from exporter.ledgers.ledger import Abilities, Ledger
from exporter.ledgers.question import Question
from exporter.ledgers.span import Span
from exporter.sums.days import MICROSECONDS_A_DAY
from exporter.sums.range_sums import RangeSums

R = TypeVar("R", bound=RangeSums)


@dataclass(frozen=True)
class Piece:
    """The rows of a span. It begins after the start that was asked for where there were more rows than fit."""

    where: Span
    rows: Result


class Pieces(Generic[R]):
    """Reads the rows of a ledger piece by piece."""

    def __init__(self, ledger: Ledger[Any, R, Any]) -> None:
        self._ledger = ledger

    def read(self, where: Span, question: Question, able: Abilities, size: int) -> Dialogue[Piece]:
        """Read the newest rows of a span, about `size` or all; rows of one instant stay together."""
        (rows,) = yield [self._ledger.rows_of(where, question, able, size + 1)]
        if len(rows) <= size:
            return Piece(where, rows)
        start = max(where.start, self._start_after(rows[-1][1]))
        complete = [row for row in rows if row[1] >= start]
        if complete:
            return Piece(Span(start, where.end), complete)
        # All rows are of one instant, or of one day where instants are days: they can only be had at once.
        alone = Span(max(where.start, self._start_of(rows[-1][1])), where.end)
        (rows,) = yield [self._ledger.all_rows_of(alone, question, able)]
        return Piece(alone, rows)

    def _start_of(self, instant: int) -> int:
        return instant if self._ledger.split_at_midnight else instant // MICROSECONDS_A_DAY * MICROSECONDS_A_DAY

    def _start_after(self, instant: int) -> int:
        return self._start_of(instant) + (1 if self._ledger.split_at_midnight else MICROSECONDS_A_DAY)
