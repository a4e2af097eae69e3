"""A cost ledger in memory, which answers the engine's plain questions: the engine tried without a database."""

# ruff: noqa: ARG002 - a plain question needs less than the real ones

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from typing import Any, TypeVar

from exporter.config import CostLedger
from exporter.databases.query import Dialogue, Query, Result
from exporter.ledgers.cost import Cost, Families
from exporter.ledgers.ledger import Abilities, State
from exporter.ledgers.question import Question
from exporter.ledgers.span import Span
from exporter.sums import TaskNumbers
from exporter.sums.charges import Charge
from exporter.sums.days import MICROSECONDS_A_DAY
from tests.support.snapshots import NOON, TODAY

T = TypeVar("T")

MIDNIGHT = TODAY * MICROSECONDS_A_DAY
NOON_MICROSECONDS = MIDNIGHT + MICROSECONDS_A_DAY // 2
MINUTE = 60_000_000
HOUR = 60 * MINUTE
QUESTION = Question(NOON)
ABLE = Abilities(
    identity=True, snapshots=True, ids=True, rows=0, indexed=True, updates_indexed=False, fingerprint="version", counts=True
)  # fmt: skip
STATE = State(identity="a", xmin=1, xmax=1, oldest=None, unplaced=0, largest_id=0, counts=(0, 0, 0), partitions=1)


def later(seconds: float) -> Question:
    """The question of a refresh so long after noon."""
    return Question(NOON + timedelta(seconds=seconds))


class PlainLedger(Cost):
    """A cost ledger whose questions are their names and what they are asked with."""

    def __init__(self) -> None:
        super().__init__(CostLedger(source="main"), Families([]), TaskNumbers())

    def _plain(self, name: str, **parameters: Any) -> Query:
        return Query(name, parameters, self.name)

    def rows_of(self, where: Span, question: Question, able: Abilities, size: int) -> Query:
        return self._plain("rows_of", where=where, size=size)

    def all_rows_of(self, where: Span, question: Question, able: Abilities) -> Query:
        return self._plain("all_rows_of", where=where)

    def rows_with(self, ids: Sequence[int], where: Span, question: Question, able: Abilities) -> Query:
        return self._plain("rows_with", ids=ids, where=where)

    def newest(self, where: Span, size: int) -> Query:
        return self._plain("newest", where=where, size=size)

    def late_sum(self, floor: int) -> Query:
        return self._plain("late_sum", floor=floor)

    def late(self, floor: int, outside: Span, size: int) -> Query:
        return self._plain("late", floor=floor, outside=outside, size=size)

    def counted(self, starts: Sequence[int], end: int) -> Query:
        return self._plain("counted", starts=starts, end=end)

    def fingerprints(self, starts: Sequence[int], end: int, able: Abilities) -> Query:
        return self._plain("fingerprints", starts=starts, end=end)

    def state(self, able: Abilities) -> Query:
        return self._plain("state", able=able)


class PlainServer:
    """The rows of a ledger. Each has a version, which grows with every change."""

    def __init__(self, *, has_ids: bool = True) -> None:
        self.rows: list[Charge] = []
        self.has_ids = has_ids
        self.identity = "a"
        self.asked: list[str] = []
        self._version = 0

    def _next_version(self) -> int:
        self._version += 1
        return self._version

    def book(self, *instants: int, id_: int | None = None, usd: str = "1", task: str = "t") -> None:
        """Book charges for these instants; their ids follow on the largest, or on the one given."""
        first = id_ if id_ is not None else max((row[0] or 0 for row in self.rows), default=0) + 1
        self.rows += [
            (row if self.has_ids else None, at, self._next_version(), "q", "p", "m", task, usd, 1, 1)
            for row, at in enumerate(instants, first)
        ]

    def book_under(self, id_: int | None, instant: int) -> None:
        """Book a charge whose id is that of another, or none."""
        self.rows.append((id_, instant, self._next_version(), "q", "p", "m", "t", "1", 1, 1))

    def change(self, position: int, *, at: int | None = None, usd: str | None = None) -> None:
        """Change a row, which has another version then."""
        row = list(self.rows[position])
        row[2] = self._next_version()
        if at is not None:
            row[1] = at
        if usd is not None:
            row[7] = usd
        self.rows[position] = tuple(row)  # type: ignore[assignment]

    def touch(self, position: int) -> None:
        """Update a column of a row that no figure knows."""
        self.change(position)

    def answer(self, query: Query) -> Result:
        """Answer a question."""
        self.asked.append(query.text)
        answers: Mapping[str, Callable[..., Result]] = {
            "rows_of": self._rows_of,
            "all_rows_of": self._within,
            "rows_with": self._rows_with,
            "newest": self._newest,
            "late_sum": self._late_sum,
            "late": self._late,
            "counted": self._counted,
            "fingerprints": self._fingerprints,
            "state": self._state,
        }
        return answers[query.text](**query.parameters)

    def hold(self, dialogue: Dialogue[T], answer: Callable[[Query], Result] | None = None) -> T:
        """Answer what a dialogue asks, by another function if one is given, and return what it returns."""
        answer = answer or self.answer
        try:
            queries = next(dialogue)
            while True:
                queries = dialogue.send([answer(query) for query in queries])
        except StopIteration as done:
            return done.value  # type: ignore[no-any-return]

    def _within(self, where: Span) -> Result:
        return sorted((row for row in self.rows if where.start <= row[1] < where.end), key=lambda row: -row[1])

    def _rows_of(self, where: Span, size: int) -> Result:
        return self._within(where)[:size]

    def _rows_with(self, ids: Sequence[int], where: Span) -> Result:
        return [row for row in self._within(where) if row[0] in ids]

    def _newest(self, where: Span, size: int) -> Result:
        newest = self._within(where)[:size]
        return [(len(newest), min((row[1] for row in newest), default=None))]

    def _late_sum(self, floor: int) -> Result:
        above = [row[0] for row in self.rows if row[0] is not None and row[0] > floor]
        return [(len(above), sum(above))]

    def _late(self, floor: int, outside: Span, size: int) -> Result:
        found = [
            (row[0], row[1])
            for row in self.rows
            if row[0] is not None and row[0] > floor and not outside.start <= row[1] < outside.end
        ]
        return sorted(found)[:size]

    def _counted(self, starts: Sequence[int], end: int) -> Result:
        return [row[:2] for row in self._fingerprints(starts, end)]

    def _fingerprints(self, starts: Sequence[int], end: int) -> Result:
        found: dict[int, tuple[int, int]] = {}
        for row in self._within(Span(starts[0], end)):
            position = bisect_right(starts, row[1])
            count, mark = found.get(position, (0, 0))
            found[position] = count + 1, mark + row[2]
        return [(position, *sums) for position, sums in found.items()]

    def _state(self, able: Abilities) -> Result:
        oldest = min((row[1] for row in self.rows), default=None)
        largest = max((row[0] or 0 for row in self.rows), default=0) if able.ids else None
        return [(self.identity, 1, 1, oldest, 0, largest, None, False)]
