"""Rows that arrive late: booked for an instant that was read before, found by their ids or by when they were updated."""

from __future__ import annotations

from collections import Counter, deque
from dataclasses import dataclass

from exporter.ledgers.source import Result

OVERLAP_IDS = 10_000
"""So many of the largest ids are always looked at: sequences hand out cached ids late."""
MARK_SECONDS = 60
"""A transaction may draw an id some time before it gets its own number."""
MARK_SECONDS_WITHOUT_SNAPSHOT = 600
MAX_KNOWN = 1_000_000
"""From so many rows above the floor on it is raised though a transaction of before is open: a forgotten one, most likely."""
_STEP = 500
"""The floor is raised by at least so much: to forget costs a look at all that is known."""
OVERLAP_UPDATES_SECONDS = 3600
MAX_UPDATES = 20_000


@dataclass(frozen=True)
class Mark:
    """Where the ledger ended in a snapshot: transactions from `xmax` on were not in it. `at` is in Unix seconds."""

    xmax: int | None
    largest_id: int
    at: float

    def is_safe(self, now: float, xmin: int | None) -> bool:
        """Tell whether all transactions of before had ended when transactions before `xmin` had."""
        if self.xmax is None or xmin is None:
            return now - self.at >= MARK_SECONDS_WITHOUT_SNAPSHOT
        return now - self.at >= MARK_SECONDS and self.xmax <= xmin


class Tail:
    """The ids above a floor whose instants are outside the newest range, as last seen.

    The floor lies below whatever a transaction that was open may still bring: a mark whose transactions have all ended.
    """

    def __init__(self, largest_id: int) -> None:
        """Begin with nothing known."""
        self.floor = largest_id - OVERLAP_IDS
        self._known: dict[int, int] = {}
        self._sum = 0
        self._marks: deque[Mark] = deque()

    def is_as_known(self, count: int, id_sum: int) -> bool:
        """Tell whether number and sum of the ids are those that are known."""
        return (count, int(id_sum)) == (len(self._known), self._sum)

    def learn(self, rows: Result) -> list[int]:
        """Take in all (id, instant) above the floor; return the instants at which something differs from what was known."""
        now: dict[int, int] = dict(rows)
        changed = [instant for row, instant in now.items() if self._known.get(row) != instant]
        changed += [instant for row, instant in self._known.items() if now.get(row) != instant]
        self._known, self._sum = now, sum(now)
        return changed

    def leave_newest(self, rows: Result) -> None:
        """Note rows (id, instant) that are no longer in the newest range."""
        for row, instant in rows:
            if row not in self._known:
                self._known[row] = instant
                self._sum += row

    def enter_newest(self, start: int, end: int) -> None:
        """Forget the rows of instants that are in the newest range from now on."""
        for row in [row for row, instant in self._known.items() if start <= instant < end]:
            del self._known[row]
            self._sum -= row

    def advance(self, mark: Mark, xmin_before: int | None) -> bool:
        """Leave a mark and raise the floor; `xmin_before` is that of the snapshot before: all before it had ended.

        Returns whether the floor had to be raised above what a transaction that is still open may bring: there is too much.
        """
        gives_up = len(self._known) > MAX_KNOWN
        if gives_up:
            xmin_before = None
        safe = 0
        while safe < len(self._marks) and self._marks[safe].is_safe(mark.at, xmin_before):
            safe += 1
        for _ in range(safe - 1):
            self._marks.popleft()
        if safe:
            self._raise(min(self._marks[0].largest_id, mark.largest_id - OVERLAP_IDS))
        self._marks.append(mark)
        return gives_up

    def _raise(self, floor: int) -> None:
        if floor < self.floor + _STEP:
            return
        self.floor = floor
        for row in [row for row in self._known if row <= floor]:
            del self._known[row]
            self._sum -= row


RowName = tuple[str, int]
"""An id, and which row of that id it is, from 1 on."""


class Updates:
    """The rows updated in the last hour, as last seen; or the latest of them, where they are very many."""

    def __init__(self) -> None:
        self.since: int | None = None
        self.latest: int | None = None
        self._known: dict[RowName, tuple[int, int]] = {}
        self._sum = 0

    def begin(self, now: int) -> int:
        """Return since when to ask for all of them, in microseconds."""
        return now - OVERLAP_UPDATES_SECONDS * 1_000_000

    def learn(self, rows: Result, since: int) -> list[int]:
        """Take in all (id, updated, instant) since an instant; return the instants at which something differs."""
        now = _named(rows)
        changed = [instant for row, (updated, instant) in now.items() if self._known.get(row) != (updated, instant)]
        changed += [instant for row, (_, instant) in self._known.items() if row not in now]
        self._know(now)
        self.since = max(since, min(updated for updated, _ in now.values()) if len(rows) >= MAX_UPDATES else since)
        self.latest = max((updated for updated, _ in now.values()), default=since)
        return changed

    def add(self, rows: Result) -> list[int]:
        """Take in the (id, updated, instant) later than the latest known; return their instants, and where they were before."""
        changed = []
        for row, (updated, instant) in _named(rows).items():
            if row in self._known:
                changed.append(self._known[row][1])
                self._sum -= self._known[row][0]
            self._known[row] = (updated, instant)
            self._sum += updated
            changed.append(instant)
            self.latest = max(self.latest or updated, updated)
        return changed

    def are_as_known(self, count: int, updated_sum: int, moved: Result) -> bool:
        """Tell whether number and sum of when they were updated are those that are known, but for rows that have moved on."""
        moved_on = [self._known[row][0] for row in _named(moved) if row in self._known]
        return (count, updated_sum) == (len(self._known) - len(moved_on), self._sum - sum(moved_on))

    def advance(self, now: int) -> None:
        """Forget what was updated too long ago."""
        since = now - OVERLAP_UPDATES_SECONDS * 1_000_000
        if len(self._known) > MAX_UPDATES:
            since = max(since, sorted(updated for updated, _ in self._known.values())[-MAX_UPDATES // 2])
        if self.since is None or since <= self.since:
            return
        self.since = since
        self._know({row: entry for row, entry in self._known.items() if entry[0] > since})

    def _know(self, rows: dict[RowName, tuple[int, int]]) -> None:
        self._known, self._sum = rows, sum(updated for updated, _ in rows.values())


def _named(rows: Result) -> dict[RowName, tuple[int, int]]:
    """Return (updated, instant) by what tells a row; one without an id is told by these."""
    seen: Counter[str] = Counter()
    named = {}
    for row, updated, instant in rows:
        name = f"{updated} {instant}" if row is None else row
        seen[name] += 1
        named[name, seen[name]] = (updated, instant)
    return named
