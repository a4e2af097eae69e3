"""Evidence of change: what a refresh asks to find rows that are late, updated or gone."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from exporter.databases.query import Dialogue, Result
from exporter.ledgers.ledger import Ledger
from exporter.ledgers.question import Question
from exporter.reading.loaded import Loaded
from exporter.reading.tuning import Tuning
from exporter.reading.updates import Updates
from exporter.sums.range_sums import RangeSums
from exporter.sums.ranges import Range

R = TypeVar("R", bound=RangeSums)


@dataclass(frozen=True)
class Changed:
    """The (id, updated, instant) of rows updated after the latest update known, and number and sum of those known before."""

    rows: Result
    count: int
    updated_sum: int


@dataclass(frozen=True)
class Counted:
    """The starts of ranges whose number of rows differs, and up to where older ranges were counted in turn."""

    different: set[int]
    turn: int


def late_sum(ledger: Ledger[Any, Any, Any], loaded: Loaded[Any]) -> Dialogue[tuple[int, int] | None]:
    """Ask for number and sum of the ids above the floor, where the ledger has ordered ids."""
    if loaded.ids is None:
        return None
    (((count, id_sum),),) = yield [ledger.late_sum(loaded.ids.floor)]
    return count, int(id_sum)


def changed(ledger: Ledger[Any, Any, Any], updates: Updates | None, tuning: Tuning) -> Dialogue[Changed | None]:
    """Ask for the rows updated since the last refresh, where rows say when that was."""
    if updates is None:
        return None
    (rows,) = yield [ledger.changed(updates.since, updates.latest, tuning.max_updates)]
    return _changed(rows)


def all_changed(ledger: Ledger[Any, Any, Any], since: int, tuning: Tuning) -> Dialogue[Result]:
    """Ask for all rows updated since an instant."""
    (rows,) = yield [ledger.changed(since, since, tuning.max_updates)]
    return _changed(rows).rows


def _changed(rows: Result) -> Changed:
    ((_, count, updated_sum, *_),) = (row for row in rows if row[3] is None)
    updated = [(row, at, instant) for row, _, _, at, instant in rows if at is not None]
    return Changed(updated, count, int(updated_sum))


def counted(ledger: Ledger[Any, R, Any], loaded: Loaded[R], question: Question, tuning: Tuning) -> Dialogue[Counted]:
    """Count the rows of the ranges in which late ones are to be expected, where no ids tell of them."""
    if loaded.ids is not None:
        return Counted(set(), loaded.turn)
    look_back = _look_back(loaded, tuning)
    turn, reached = _turn(loaded, question, tuning, len(look_back))
    runs = [run for run in (look_back, turn) if run]
    if not runs:
        return Counted(set(), reached)
    answers = yield [ledger.counted([each.start for each in run], run[-1].end) for run in runs]
    different = {each.start for run, groups in zip(runs, answers, strict=True) for each in _differing(run, groups)}
    return Counted(different, reached)


def _look_back(loaded: Loaded[R], tuning: Tuning) -> list[Range[R]]:
    """Return the newest settled ranges, as far back from the last refresh as rows come late, in order of time."""
    since = loaded.question.microseconds - int(loaded.lateness.look_back_seconds() * 1_000_000)
    found: list[Range[R]] = []
    rows = 0
    for each in reversed(loaded.settled.tiling):
        rows += each.sums.rows
        if each.end <= since or (found and rows > tuning.look_back_rows):
            break
        found.append(each)
    return found[::-1]


def _turn(loaded: Loaded[R], question: Question, tuning: Tuning, skipped: int) -> tuple[list[Range[R]], int]:
    """Return the older ranges whose turn it is to be counted, in order of time, and where they begin."""
    tiling = loaded.settled.tiling
    since = question.microseconds - tuning.turn_seconds * 1_000_000
    last = len(tiling) - skipped - 1
    if last < 0:
        return [], loaded.turn
    position = min(last, tiling.position(min(loaded.turn, tiling.end) - 1)) if loaded.turn > tiling.start else last
    if tiling[position].end <= since:
        position = last
    found: list[Range[R]] = []
    rows = 0
    while position >= 0 and tiling[position].end > since and (not found or rows <= tuning.turn_rows):
        found.append(tiling[position])
        rows += tiling[position].sums.rows
        position -= 1
    return found[::-1], found[-1].start if found else loaded.turn


def _differing(run: Sequence[Range[R]], groups: Result) -> Iterator[Range[R]]:
    found: dict[int, int] = dict(groups)
    return (each for position, each in enumerate(run, 1) if each.sums.rows != found.get(position, 0))
