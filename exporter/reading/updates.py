"""Rows that say when they were updated: those of the last hour, as last seen."""

from __future__ import annotations

from collections import Counter

from exporter.databases.query import Result
from exporter.reading.tuning import Tuning

RowName = tuple[str, int]
"""An id, and which row of that id it is, from 1 on."""


class Updates:
    """The rows updated in the last hour, as last seen; or the latest of them, where they are very many."""

    def __init__(self, tuning: Tuning, now: int) -> None:
        """`now` is in microseconds since 1970, as are all instants here."""
        self._tuning = tuning
        self._known: dict[RowName, tuple[int, int]] = {}
        self._sum = 0
        self.since = self.latest = self.begin(now)

    def begin(self, now: int) -> int:
        """Return since when to ask for all of them."""
        return now - self._tuning.updates_seconds * 1_000_000

    def changed(self, new: Result, everything: Result | None) -> list[int]:
        """Return the instants, of now and of before, of rows that were updated.

        Args:
            new: (id, updated, instant) of the rows updated after the latest update known.
            everything: the same of all rows updated within the time that is looked at; None where nothing was overlooked.
        """
        if everything is None:
            named = _named(new)
            return [at for _, at in named.values()] + [self._known[row][1] for row in named if row in self._known]
        now = _named(everything)
        instants = [at for row, (updated, at) in now.items() if self._known.get(row) != (updated, at)]
        return instants + [at for row, (updated, at) in self._known.items() if now.get(row) != (updated, at)]

    def take_in(self, new: Result, everything: Result | None, now: int) -> None:
        """Take in the rows that `changed` was given, and forget what was updated too long before `now`."""
        if everything is None:
            self._add(_named(new))
        else:
            self._know(_named(everything))
            if self.is_cut(everything):
                self.since = max(self.since, min(updated for updated, _ in self._known.values()))
            self.latest = max((updated for updated, _ in self._known.values()), default=self.since)
        self._advance(now)

    def _add(self, new: dict[RowName, tuple[int, int]]) -> None:
        for row, (updated, at) in new.items():
            self._sum += updated - (self._known[row][0] if row in self._known else 0)
            self._known[row] = (updated, at)
            self.latest = max(self.latest, updated)

    def are_as_known(self, count: int, updated_sum: int, moved: Result) -> bool:
        """Tell whether number and sum of the updates are those known, but for rows that have been updated again."""
        moved_on = [self._known[row][0] for row in _named(moved) if row in self._known]
        return (count, updated_sum) == (len(self._known) - len(moved_on), self._sum - sum(moved_on))

    def is_cut(self, rows: Result) -> bool:
        """Tell whether there may be more rows than were asked for."""
        return len(rows) >= self._tuning.max_updates

    def _advance(self, now: int) -> None:
        """Forget what was updated too long ago."""
        since = self.begin(now)
        if len(self._known) > self._tuning.max_updates:
            since = max(since, sorted(updated for updated, _ in self._known.values())[-self._tuning.max_updates // 2])
        if since > self.since:
            self.since = since
            self._know({row: entry for row, entry in self._known.items() if entry[0] > since})

    def _know(self, rows: dict[RowName, tuple[int, int]]) -> None:
        self._known, self._sum = rows, sum(updated for updated, _ in rows.values())


def _named(rows: Result) -> dict[RowName, tuple[int, int]]:
    """Return (updated, instant) by what tells a row; one without an id is told by these."""
    seen: Counter[str] = Counter()
    named = {}
    for row, updated, at in rows:
        name = f"{updated} {at}" if row is None else row
        seen[name] += 1
        named[name, seen[name]] = (updated, at)
    return named
