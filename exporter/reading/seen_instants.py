"""The instants of the newest rows as last seen, so that rows that are new can be told from rows that were there."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable


class SeenInstants:
    """The instants, in order, from `since` on. All are in microseconds since 1970."""

    def __init__(self, since: int) -> None:
        self.since = since
        self._known: list[int] = []

    def see(self, start: int, end: int, instants: Iterable[int]) -> list[int]:
        """Take in the instants of all rows of a span; return those of rows that were not there before."""
        found = sorted(instants)
        first, last = bisect_left(self._known, start), bisect_left(self._known, end)
        before = self._known[first:last]
        self._known[first:last] = found
        if before == found:
            return []
        new = Counter(found) - Counter(before)
        return [at for at in new.elements() if at >= self.since]

    def see_older(self, start: int, end: int, instants: Iterable[int]) -> None:
        """Take in the instants of a span that ends where what is known begins."""
        if end == self.since:
            self._known[:0] = sorted(instants)
            self.since = start

    def forget(self, before: int, most: int) -> None:
        """Forget the instants before one, and the oldest of more than `most`."""
        cut = max(bisect_left(self._known, before), len(self._known) - most)
        self.since = max(self.since, before)
        if cut > 0:
            self.since = max(self.since, self._known[cut - 1] + 1)
            del self._known[: bisect_left(self._known, self.since)]
