"""Late rows of a ledger with ordered ids: booked for an instant that was read before, and found by their ids."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from exporter.databases.query import Result
from exporter.ledgers.span import Span
from exporter.reading.tuning import Tuning


@dataclass(frozen=True)
class Mark:
    """Where the ledger ended in a snapshot: transactions from `xmax` on were not in it. `at` is in Unix seconds."""

    xmax: int | None
    largest_id: int
    at: float


@dataclass(frozen=True)
class Differences:
    """What differs from what was known: new ids with their instants, and the instants from which rows have gone.

    `last` is the largest id that was looked at, None where all were.
    """

    late: dict[int, int]
    gone: list[int]
    last: int | None


class LateIds:
    """The ids above a floor whose instants are outside the newest range, as last seen.

    The floor lies below every id that a transaction which was open may still bring: below a mark whose transactions have all
    ended.
    """

    def __init__(self, largest_id: int, tuning: Tuning) -> None:
        self._tuning = tuning
        self.floor = largest_id - tuning.overlap_ids
        self._known: dict[int, int] = {}
        self._sum = 0
        self._marks: deque[Mark] = deque()
        self._seen_up_to: int | None = None

    @property
    def most(self) -> int:
        """Return how many late ids are asked for at most: those that are known, and some more."""
        return len(self._known) + self._tuning.late_rows

    @property
    def has_more(self) -> bool:
        """Tell whether there are late rows that were not looked at yet."""
        return self._seen_up_to is not None

    def are_as_known(self, count: int, id_sum: int, read: Mapping[int, int]) -> bool:
        """Tell whether number and sum of all ids above the floor are those known, with those of `read`, instants by id."""
        new = [row for row in read if row > self.floor and row not in self._known]
        return (count, id_sum) == (len(self._known) + len(new), self._sum + sum(new))

    def differences(self, rows: Result, read: Mapping[int, int]) -> Differences:
        """Return what differs from what is known.

        Args:
            rows: (id, instant) of the ids above the floor and outside what was read, the smallest id first, at most `most`
                of them.
            read: instants by id of the rows that were read.
        """
        now: dict[int, int] = dict(rows)
        last = None if len(rows) < self.most else rows[-1][0]
        late = {row: at for row, at in now.items() if self._known.get(row) != at}
        looked_at = {row: at for row, at in self._known.items() if last is None or row <= last}
        gone = [at for row, at in looked_at.items() if now.get(row, read.get(row)) != at]
        return Differences(late, gone, last)

    def confirm(self) -> None:
        """Note that all ids above the floor are known."""
        self._seen_up_to = None

    def learn(self, rows: Result) -> None:
        """Take in the (id, instant) in which `differences` were found."""
        now: dict[int, int] = dict(rows)
        self._seen_up_to = None if len(rows) < self.most else rows[-1][0]
        if self._seen_up_to is not None:
            now |= {row: at for row, at in self._known.items() if row > self._seen_up_to}
        self._know(now)

    def settle(self, rows: Iterable[tuple[int, int]], where: Span | None = None) -> None:
        """Take in (id, instant) of rows outside the newest range; `where` is the span of which they are all, if of one."""
        if where is not None:
            for row in [row for row, at in self._known.items() if where.start <= at < where.end]:
                self._sum -= row
                del self._known[row]
        for row, at in rows:
            if row > self.floor:
                if row not in self._known:
                    self._sum += row
                self._known[row] = at

    def enter_newest(self, start: int, end: int) -> None:
        """Forget the rows of instants that are in the newest range from now on."""
        self._know({row: at for row, at in self._known.items() if not start <= at < end})

    def knows(self, row: int) -> bool:
        """Tell whether a row was seen, or lies below what is looked at."""
        return row <= self.floor or row in self._known

    def advance(self, mark: Mark, xmin_before: int | None) -> bool:
        """Leave a mark and raise the floor; `xmin_before` is that of the snapshot before: all before it had ended.

        Returns whether the floor had to be raised above what a transaction that is still open may bring: there is too much.
        """
        gives_up = len(self._known) > self._tuning.max_late_ids
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
        self._know({row: at for row, at in self._known.items() if row > floor})

    def _know(self, rows: dict[int, int]) -> None:
        self._known, self._sum = rows, sum(rows)
