"""Late rows of a ledger with ordered ids: booked for an instant that was read before, and found by their ids."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from exporter.ledgers.span import Span
from exporter.reading.tuning import Tuning

Place = tuple[int, int]
"""The id of a row, and its instant in microseconds since 1970."""
ReadPlace = tuple[int | None, int]
"""The same of a row that may have no id."""


@dataclass(frozen=True)
class Mark:
    """Where the ledger ended in a snapshot: transactions from `xmax` on were not in it. `at` is in Unix seconds."""

    xmax: int | None
    largest_id: int
    at: float


@dataclass(frozen=True)
class Differences:
    """What differs from what was known.

    `late` are rows of which none was known; `gone` are instants at which there are fewer rows than before, or more of the same
    id. `last` is the largest id that was looked at, None where all were.
    """

    late: frozenset[Place]
    gone: list[int]
    last: int | None


class LateIds:
    """The ids above a floor whose instants are outside the newest range, as last seen. Rows may share an id, or have none.

    The floor lies below every id that a transaction which was open may still bring: below a mark whose transactions have all
    ended.
    """

    def __init__(self, largest_id: int, tuning: Tuning) -> None:
        self._tuning = tuning
        self.floor = largest_id - tuning.overlap_ids
        self._known: Counter[Place] = Counter()
        self._count = 0
        self._sum = 0
        self._marks: deque[Mark] = deque()
        self._seen_up_to: int | None = None

    @property
    def most(self) -> int:
        """Return how many late ids are asked for at most: those that are known, and some more."""
        return self._count + self._tuning.late_rows

    @property
    def has_more(self) -> bool:
        """Tell whether there are late rows that were not looked at yet."""
        return self._seen_up_to is not None

    def are_as_known(self, count: int, id_sum: int, read: Iterable[ReadPlace]) -> bool:
        """Tell whether number and sum of all ids above the floor are those known, with those that were read."""
        new = [row[0] for row in self._above_floor(read) if row not in self._known]
        return (count, id_sum) == (self._count + len(new), self._sum + sum(new))

    def _above_floor(self, rows: Iterable[ReadPlace]) -> list[Place]:
        return [(row, at) for row, at in rows if row is not None and row > self.floor]

    def differences(self, rows: Sequence[Place], read: Iterable[ReadPlace]) -> Differences:
        """Return what differs from what is known.

        Args:
            rows: those above the floor and outside what was read, the smallest id first, at most `most` of them.
            read: the rows that were read.
        """
        last = None if len(rows) < self.most else rows[-1][0]
        there = Counter(rows)
        late = frozenset(row for row in there if row not in self._known)
        there.update(self._above_floor(read))
        gone = [
            row[1] for row, number in self._known.items() if (last is None or row[0] <= last) and there[row] != number
        ]
        return Differences(late, gone, last)

    def confirm(self) -> None:
        """Note that all ids above the floor are known."""
        self._seen_up_to = None

    def learn(self, rows: Sequence[Place]) -> None:
        """Take in the rows in which `differences` were found."""
        now = Counter(rows)
        self._seen_up_to = None if len(rows) < self.most else rows[-1][0]
        if self._seen_up_to is not None:
            now += Counter({row: number for row, number in self._known.items() if row[0] > self._seen_up_to})
        self._know(now)

    def settle(self, rows: Iterable[ReadPlace], where: Span) -> None:
        """Take in all rows of a span, without those that are in the newest range."""
        for row in [row for row in self._known if where.start <= row[1] < where.end]:
            self._count -= self._known[row]
            self._sum -= row[0] * self._known.pop(row)
        for row in self._above_floor(rows):
            self._known[row] += 1
            self._count += 1
            self._sum += row[0]

    def knows(self, row: int | None, at: int) -> bool:
        """Tell whether a row was seen, or lies below what is looked at."""
        return row is None or row <= self.floor or (row, at) in self._known

    def advance(self, mark: Mark, xmin_before: int | None) -> bool:
        """Leave a mark and raise the floor; `xmin_before` is that of the snapshot before: all before it had ended.

        Returns whether the floor had to be raised above what a transaction that is still open may bring: there is too much.
        """
        gives_up = self._count > self._tuning.max_late_ids
        safe = 0
        while safe < len(self._marks) and self._is_safe(self._marks[safe], mark.at, None if gives_up else xmin_before):
            safe += 1
        for _ in range(safe - 1):
            self._marks.popleft()
        if safe:
            self._raise(min(self._marks[0].largest_id, mark.largest_id - self._tuning.overlap_ids))
        largest = mark.largest_id if self._seen_up_to is None else min(mark.largest_id, self._seen_up_to)
        self._marks.append(Mark(mark.xmax, largest, mark.at))
        return gives_up

    def _is_safe(self, mark: Mark, now: float, xmin: int | None) -> bool:
        """Tell whether all transactions of before a mark had ended when transactions before `xmin` had."""
        if mark.xmax is None or xmin is None:
            return now - mark.at >= self._tuning.mark_seconds_without_snapshot
        return now - mark.at >= self._tuning.mark_seconds and mark.xmax <= xmin

    def _raise(self, floor: int) -> None:
        if floor < self.floor + self._tuning.floor_step:
            return
        self.floor = floor
        self._know(Counter({row: number for row, number in self._known.items() if row[0] > floor}))

    def _know(self, rows: Counter[Place]) -> None:
        self._known = rows
        self._count = rows.total()
        self._sum = sum(row * number for (row, _), number in rows.items())
