"""From when to when, and how often: what the command line says, as steps."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

from exporter.config import parse_duration
from exporter.errors import ExporterError

HEAD = timedelta(hours=3)
"""What Prometheus may still hold in memory: blocks that reach into it would overlap."""


EARLIEST = datetime(1972, 1, 1, tzinfo=UTC)
"""What is before it belongs to no ledger, and remote write's milliseconds since 1970 would not be of the length they are."""


@dataclass(frozen=True)
class Steps:
    """Instants at equal distances, in Unix seconds: step n is `first + n * seconds`."""

    first: int
    seconds: int
    count: int

    def instant(self, step: int) -> int:
        """Return the instant of a step."""
        return self.first + step * self.seconds

    def day(self, step: int) -> date:
        """Return the UTC date of a step."""
        return datetime.fromtimestamp(self.instant(step), UTC).date()


class PeriodError(ExporterError):
    """The period asked for has no step, or one that must not be."""


def instant(text: str, now: datetime) -> datetime:
    """Read an instant: a date, an ISO 8601 timestamp (UTC where it does not say), or how long ago, such as `60d`.

    Raises:
        PeriodError: it is none of these.
    """
    try:
        moment = datetime.fromisoformat(text)
        return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        pass
    try:
        return now - parse_duration(text)
    except ValueError as error:
        raise PeriodError(
            f"{text!r} is neither a date (2026-04-10) nor a timestamp (2026-04-10T12:00:00Z), and how long ago {error}"
        ) from None


def steps(begin: str, end: str | None, step: timedelta, now: datetime, *, latest: datetime) -> Steps:
    """Return the steps from `begin` up to `end`, at whole multiples of `step`; by default up to the latest there may be.

    Raises:
        PeriodError: there is none, it begins before the earliest or ends after the latest, or a step is not of whole seconds.
    """
    seconds = int(step.total_seconds())
    if seconds < 1 or timedelta(seconds=seconds) != step:
        raise PeriodError("--step must be of whole seconds")
    since = instant(begin, now)
    if since < EARLIEST:
        raise PeriodError(f"--from is before {EARLIEST:%Y-%m-%d}, and so before any ledger")
    until = latest if end is None else instant(end, now)
    if until > latest:
        raise PeriodError(
            f"--to is after {latest:%Y-%m-%d %H:%M} UTC: {_why(latest, now)}; leave --to out to go as far as possible"
        )
    first = -(-int(since.timestamp()) // seconds) * seconds
    last = int(until.timestamp()) // seconds * seconds
    if last < first:
        raise PeriodError(f"there is no step from --from={begin} to {until:%Y-%m-%d %H:%M} UTC")
    return Steps(first, seconds, (last - first) // seconds + 1)


def _why(latest: datetime, now: datetime) -> str:
    if latest == now:
        return "there is no past in the future"
    return "Prometheus still holds the last three hours in memory, and blocks would overlap with them"
