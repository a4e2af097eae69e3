"""What the server's own counts tell: that something may have changed where no other evidence shows it."""

from __future__ import annotations

from collections import deque

from exporter.ledgers.ledger import State
from exporter.reading.tuning import Tuning

_COUNTED_SECONDS = 90.0
"""After this long the server has counted what was done, also where it is busy."""


class Hints:
    """Compares what the server counts as inserted, updated and deleted with what is known.

    The counts are a hint to hurry with verification, nothing more: they arrive late, ignore snapshots, and count what was
    rolled back. So a hint that leads to nothing is followed again only after a pause, which doubles.
    """

    def __init__(self, tuning: Tuning) -> None:
        self._tuning = tuning
        self._before: State | None = None
        self._baseline: int | None = None
        self._balance = 0
        self._unbalanced = 0
        self._unexplained = 0
        self._explained: deque[tuple[float, int]] = deque()
        self._pause = tuning.hint_pause_seconds
        self._not_before = float("-inf")
        self._is_followed = False

    def look(self, state: State, rows_known: int, explained: int, now: float) -> bool:
        """Tell whether to hurry, at a refresh; `explained` is how many updates it has found otherwise."""
        before, self._before = self._before, state
        if before is None or state.counts is None or before.counts is None or not _is_comparable(before, state):
            self._baseline, self._unbalanced, self._unexplained = None, 0, 0
            self._explained.clear()
            return False
        # The counts of the refresh before: what they tell of is surely visible by now.
        inserted, _, deleted = before.counts
        self._balance = inserted - deleted - rows_known
        if self._baseline is None:
            self._baseline = self._balance
        has_fewer = self._balance < self._baseline and state.counts[2] > before.counts[2]
        self._unbalanced = self._unbalanced + 1 if self._balance > self._baseline or has_fewer else 0
        self._unexplained += self._without_explanation(state.counts[1] - before.counts[1], explained, now)
        return (self._unbalanced > 1 or has_fewer or self._unexplained > 0) and now >= self._not_before

    def _without_explanation(self, updated: int, explained: int, now: float) -> int:
        """Return how many updates nothing has explained, now or a little before: the server counts late."""
        self._explained.append((now, explained))
        while self._explained[0][0] < now - _COUNTED_SECONDS:
            self._explained.popleft()
        while updated and self._explained:
            at, number = self._explained.popleft()
            if number > updated:
                self._explained.appendleft((at, number - updated))
            updated -= min(number, updated)
        return updated

    def follow(self) -> None:
        """Note that a hint is followed: everything is about to be verified."""
        self._is_followed, self._unexplained = True, 0

    def end_cycle(self, now: float, *, is_clean: bool) -> None:
        """Note that everything was verified, and whether nothing was to be corrected.

        A cycle that follows no hint says nothing about hints, but for a correction.
        """
        if not is_clean:
            self._pause, self._not_before = self._tuning.hint_pause_seconds, float("-inf")
        elif self._is_followed:
            self._is_followed = False
            self._baseline, self._unbalanced = self._balance, 0
            self._not_before = now + self._pause
            self._pause = min(2 * self._pause, self._tuning.longest_hint_pause_seconds)


def _is_comparable(before: State, now: State) -> bool:
    """Tell whether counts go on where they were: not after a restart, a reset of the statistics, or with other partitions."""
    if (before.identity, before.partitions) != (now.identity, now.partitions):
        return False
    if before.counts is None or now.counts is None:
        return False
    return all(then <= count for then, count in zip(before.counts, now.counts, strict=True))
