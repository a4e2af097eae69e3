"""The newest range: read whole at every refresh, and settled from its old end when it has grown."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Generic, TypeVar

from exporter.databases.query import Result
from exporter.ledgers.question import Question
from exporter.ledgers.span import Span
from exporter.reading.settled_ranges import midnight
from exporter.reading.tuning import Tuning
from exporter.sums.days import MICROSECONDS_A_DAY
from exporter.sums.range_sums import RangeSums
from exporter.sums.ranges import BEGINNING

R = TypeVar("R", bound=RangeSums)


@dataclass(frozen=True)
class NewestRange(Generic[R]):
    """The newest rows of a ledger: where they are, and what they add up to."""

    where: Span
    rows: Result
    sums: R


def newest_end(question: Question) -> int:
    """Return the end of the newest range: what is booked for tomorrow is in it, so that midnight finds it read."""
    return (question.today + 2) * MICROSECONDS_A_DAY


def newest_start(cut: tuple[int, int | None], question: Question, tuning: Tuning, *, of_days: bool) -> int:
    """Return where the newest range begins: before the newest rows, and some time ago.

    Args:
        cut: how many rows there are, at most `tuning.newest_rows`, and the instant of the oldest of these newest ones.
        question: the question of the refresh.
        tuning: sizes of the engine.
        of_days: whether instants are days.
    """
    count, oldest = cut
    if count < tuning.newest_rows or oldest is None:
        return BEGINNING
    if of_days:
        return min(midnight(oldest), question.yesterday * MICROSECONDS_A_DAY)
    return min(oldest, question.microseconds - tuning.newest_seconds * 1_000_000)


def settled_start(rows: Result, former: int, question: Question, tuning: Tuning, *, of_days: bool) -> int:
    """Return where the newest range begins after its older rows were settled: where it did, while it has not grown enough."""
    if len(rows) <= tuning.newest_full * tuning.newest_rows:
        return former
    oldest = sorted((row[1] for row in rows), reverse=True)[tuning.newest_rows - 1]
    return max(former, newest_start((tuning.newest_rows, oldest), question, tuning, of_days=of_days))
