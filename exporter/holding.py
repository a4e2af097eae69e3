"""What is known of the ledgers between refreshes: the parts that were read last, for how long they hold, and health."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import reduce
from operator import add

from exporter.config import LEDGERS, Config, LedgerName
from exporter.reading.reading import Reading
from exporter.sums import DAY_BOUND_WINDOWS, BudgetPart, CostPart, ImpactPart, Part, day_of

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class LedgerHealth:
    """How reading a ledger goes. Instants are Unix seconds; None before the first attempt or success.

    `progress` is the share of the ledger that is loaded, `verified_age` the seconds since the oldest reading of a part of it.
    `lateness` is the largest time from a row's instant to the refresh that first saw it, over the last hour, in seconds.
    """

    sources: Mapping[str, bool]
    refreshes: int = 0
    failures: int = 0
    failures_in_a_row: int = 0
    rows_read: int = 0
    progress: float | None = None
    verified_age: float | None = None
    lateness: float | None = None
    corrections: int = 0
    duration_seconds: float | None = None
    last_success: float | None = None
    error: str | None = None

    @property
    def up(self) -> bool | None:
        """Tell whether every source was read at the last attempt; None before the first."""
        return all(self.sources.values()) if self.sources else None


@dataclass(frozen=True)
class Parts:
    """The merged part of each ledger that is known, as of a UTC day; None where nothing is known."""

    today: int
    cost: CostPart | None = None
    impact: ImpactPart | None = None
    budget: BudgetPart | None = None

    def known(self) -> dict[LedgerName, CostPart | ImpactPart | BudgetPart]:
        """Return the parts that are known, by ledger."""
        parts: dict[LedgerName, CostPart | ImpactPart | BudgetPart | None]
        parts = {"cost": self.cost, "impact": self.impact, "budget": self.budget}
        return {ledger: part for ledger, part in parts.items() if part is not None}

    def windows(self, part: Part) -> tuple[str, ...]:
        """Return the windows a part can still answer: once its day is over, not today's and yesterday's."""
        return _windows_on(part, self.today)


class HeldLedger:
    """One ledger between refreshes: the last part of each of its sources, their sum, and health.

    A ledger that cannot be read keeps its last values until they are older than `max_age`.
    """

    def __init__(self, ledger: LedgerName, sources: Sequence[str], max_age: timedelta) -> None:
        self._ledger = ledger
        self._sources = sources
        self._max_age = max_age
        self._parts: dict[str, Part] = {}
        self._readings: dict[str, Reading] = {}
        self._whole: Part | None = None
        self.health = LedgerHealth({})

    def reconfigure(self, sources: Sequence[str], max_age: timedelta) -> None:
        """Go over to another configuration: values stay until the ledger is read under it."""
        self._sources, self._max_age = sources, max_age
        self._parts, self._readings = {}, {}
        self.health = replace(self.health, sources={}, error=None, failures_in_a_row=0)

    def part(self, now: datetime) -> Part | None:
        """Return the sum over the sources as read last, None where that is not known or too old."""
        return None if self._whole is None or self._is_old(self._whole, now) else self._whole

    def take(self, readings: Sequence[Reading], now: datetime) -> None:
        """Take in what was read of the ledger, or note that it was not."""
        if not readings:
            return
        self._readings.update({reading.source: reading for reading in readings})
        self._parts.update({reading.source: reading.part for reading in readings if reading.part is not None})
        self._note_health(readings, now)
        # Parts of different days do not add up to any window: until all are of one day, the last sum stays.
        if set(self._parts) == set(self._sources) and len({part.today for part in self._parts.values()}) == 1:
            first, *others = (self._parts[source] for source in self._sources)
            whole: Part = reduce(add, others, first)
            # A ledger that is being loaded anew takes the place of the one known before when it answers as much.
            known = self.part(now)
            if known is None or set(_windows_on(known, day_of(now))) <= set(whole.windows):
                self._whole = whole

    def note_failed_load(self, problem: str) -> None:
        """Count an attempt to load more of the ledger that failed. What is loaded already may well be read."""
        before = self.health
        refreshes, failures = before.refreshes + 1, before.failures + 1
        self.health = replace(before, refreshes=refreshes, failures=failures, error=problem)

    def fail(self, problem: str) -> None:
        """Note that no source of the ledger is read, for want of memory or because of a bug."""
        sources = dict.fromkeys(self._sources, False)
        self.health = replace(self.health, sources=sources, failures=self.health.failures + 1, error=problem)

    def _is_old(self, part: Part, now: datetime) -> bool:
        return part.instant < (now - self._max_age).timestamp()

    def _note_health(self, readings: Sequence[Reading], now: datetime) -> None:
        before = self.health
        failed = any(reading.error is not None for reading in readings)
        latest = [self._readings[source] for source in self._sources if source in self._readings]
        current = replace(
            before,
            sources={reading.source: reading.part is not None for reading in latest},
            refreshes=before.refreshes + 1,
            failures=before.failures + failed,
            progress=min(reading.progress for reading in latest) if len(latest) == len(self._sources) else 0.0,
            verified_age=max((each.verified_age for each in latest if each.verified_age is not None), default=None),
            lateness=max((each.lateness for each in latest if each.lateness is not None), default=None),
            corrections=before.corrections + sum(reading.corrections for reading in readings),
            rows_read=before.rows_read + sum(reading.rows for reading in readings),
            duration_seconds=max(reading.seconds for reading in readings),
            error="; ".join(reading.error for reading in latest if reading.error is not None) or None,
        )
        if current.up:
            current = replace(current, last_success=now.timestamp(), failures_in_a_row=0)
        elif failed:
            current = replace(current, failures_in_a_row=before.failures_in_a_row + 1)
        self._log_change(before, current)
        self.health = current

    def _log_change(self, before: LedgerHealth, now: LedgerHealth) -> None:
        """Log an outage at its beginning, at growing intervals, and at its end."""
        failures = now.failures_in_a_row
        if failures != before.failures_in_a_row and failures.bit_count() == 1:
            extra = {"ledger": self._ledger, "failures": failures, "error": now.error}
            log.warning("ledger cannot be read", extra=extra)
        elif not failures and before.failures_in_a_row:
            extra = {"ledger": self._ledger, "failures": before.failures_in_a_row}
            log.warning("ledger can be read again", extra=extra)


class Holding:
    """All ledgers between refreshes. `instant` is that of the last refresh that read anything (Unix seconds)."""

    def __init__(self, config: Config) -> None:
        self.instant: float | None = None
        self._ledgers = {
            ledger: HeldLedger(ledger, config.ledgers[ledger].source_names, config.refresh.max_age)
            for ledger in LEDGERS
        }

    def reconfigure(self, config: Config) -> None:
        """Go over to another configuration: values stay until a ledger is read under it."""
        for ledger, held in self._ledgers.items():
            held.reconfigure(config.ledgers[ledger].source_names, config.refresh.max_age)

    def take(self, readings: Sequence[Reading], now: datetime) -> None:
        """Take in what one refresh has read."""
        for ledger, held in self._ledgers.items():
            held.take([reading for reading in readings if reading.ledger == ledger], now)
        if any(reading.part is not None for reading in readings):
            self.instant = now.timestamp()

    def note_failed_loads(self, readings: Iterable[Reading]) -> None:
        """Count attempts to load more of a ledger that failed."""
        for reading in readings:
            self._ledgers[reading.ledger].note_failed_load(reading.error or "")

    def fail(self, problem: str) -> None:
        """Note that no ledger is read, for want of memory or because of a bug."""
        for held in self._ledgers.values():
            held.fail(problem)

    @property
    def health(self) -> dict[LedgerName, LedgerHealth]:
        """Return how reading each ledger goes."""
        return {ledger: held.health for ledger, held in self._ledgers.items()}

    def parts(self, now: datetime) -> Parts:
        """Return the ledgers that are known, and not too old."""
        known = {ledger: held.part(now) for ledger, held in self._ledgers.items()}
        return Parts(day_of(now), **known)  # type: ignore[arg-type] # each ledger has parts of its own kind


def _windows_on(part: Part, today: int) -> tuple[str, ...]:
    """Return the windows a part can still answer on a day."""
    if part.today == today:
        return part.windows
    return tuple(window for window in part.windows if window not in DAY_BOUND_WINDOWS)
