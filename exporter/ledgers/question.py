"""The instant of a refresh, and the days that follow from it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property

from exporter.sums.days import MICROSECONDS_A_DAY, RECENT_DAYS, day_of


@dataclass(frozen=True)
class Question:
    """The parameters every question may use: the instant of the refresh, and the days it makes."""

    now: datetime
    grace: timedelta = timedelta(0)

    @cached_property
    def microseconds(self) -> int:
        """Return the instant in microseconds since 1970."""
        return round(self.now.timestamp() * 1_000_000)

    @cached_property
    def settled_before(self) -> int:
        """Return up to which instant outcomes without a score are no longer pending, in microseconds since 1970."""
        return round((self.now - self.grace).timestamp() * 1_000_000)

    @cached_property
    def recent_start(self) -> int:
        """Return the first instant of the last 30 days, in microseconds since 1970."""
        return (self.today - RECENT_DAYS + 1) * MICROSECONDS_A_DAY

    @cached_property
    def today(self) -> int:
        """Return the UTC day of the refresh."""
        return day_of(self.now)

    @cached_property
    def yesterday(self) -> int:
        """Return the day before."""
        return self.today - 1

    @cached_property
    def parameters(self) -> dict[str, object]:
        """Return the parameters by the names the SQL uses."""
        midnight = self.now.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
        return {
            "now": self.now,
            "today": self.today,
            "oldest": self.today - RECENT_DAYS,
            "yesterday_start": midnight - timedelta(days=1),
            "tomorrow_start": midnight + timedelta(days=1),
            "settled_before": self.now - self.grace,
        }
