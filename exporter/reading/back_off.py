"""Back-off: after some failures in a row only every other refresh tries again."""

from __future__ import annotations

_FAILURES_BEFORE_SKIPPING = 3


class BackOff:
    """Decides whether to try what has failed before.

    Within one refresh a failure is not tried again. After some failures in a row every other refresh is sat out: no more,
    because a source that comes back must be seen within two intervals.
    """

    def __init__(self) -> None:
        self._failures = 0
        self._is_sat_out = False
        self.has_just_failed = False

    @property
    def has_failed(self) -> bool:
        """Tell whether the last attempt failed."""
        return self._failures > 0

    @property
    def is_due(self) -> bool:
        """Tell whether to try now."""
        return not self.has_just_failed and not self._is_sat_out

    def begin(self) -> None:
        """Begin a refresh."""
        self.has_just_failed = False
        self._is_sat_out = self._failures >= _FAILURES_BEFORE_SKIPPING and not self._is_sat_out

    def note(self, *, failed: bool) -> None:
        """Note the outcome of an attempt."""
        self._failures = self._failures + 1 if failed else 0
        self.has_just_failed = failed
