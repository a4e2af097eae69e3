"""How late rows appear: from a row's instant to the refresh that first sees it. It decides how far back rows are counted."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

from exporter.reading.tuning import Tuning

_HOUR = 3600
_SHARE = 0.999
_MARGIN = 2


class Lateness:
    """How late the rows of the last hour were."""

    def __init__(self, tuning: Tuning) -> None:
        self._tuning = tuning
        self._refreshes: deque[tuple[float, int, list[float], float]] = deque()

    def note(self, now: float, before: float, instants: Sequence[int]) -> None:
        """Note the instants (microseconds since 1970) of rows first seen at a refresh, and when the one before it was."""
        while self._refreshes and self._refreshes[0][0] < now - _HOUR:
            self._refreshes.popleft()
        if not instants:
            return
        shortest = self._tuning.look_back_min_seconds / _MARGIN  # what is later than that never makes a difference
        late = [seconds for at in instants if (seconds := before - at / 1_000_000) > shortest]
        self._refreshes.append((now, len(instants), late, now - min(instants) / 1_000_000))

    def largest(self) -> float | None:
        """Return the largest time from a row's instant to the refresh that first saw it, in seconds; None without a row."""
        return max((max(0.0, latest) for *_, latest in self._refreshes), default=None)

    def look_back_seconds(self) -> float:
        """Return how far back rows are counted: twice the 99.9th percentile of how late they came, within bounds."""
        rows = sum(count for _, count, _, _ in self._refreshes)
        late = sorted((seconds for _, _, some, _ in self._refreshes for seconds in some), reverse=True)
        above = int(rows * (1 - _SHARE))
        typical = late[above] if above < len(late) else 0.0
        return min(max(_MARGIN * typical, self._tuning.look_back_min_seconds), self._tuning.look_back_max_seconds)
