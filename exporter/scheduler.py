"""When passes run: at once, then every interval, and at 00:00 UTC, when every `today` ends."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from apscheduler.executors.pool import ThreadPoolExecutor
from apscheduler.jobstores.base import JobLookupError
from apscheduler.schedulers.background import BackgroundScheduler
from apscheduler.triggers.base import BaseTrigger
from apscheduler.triggers.combining import OrTrigger
from apscheduler.triggers.cron import CronTrigger
from apscheduler.triggers.interval import IntervalTrigger

from exporter.logs import Troubles

# Exporters started together, an HA pair above all, would otherwise ask one database at the same instant for ever.
_JITTER_SHARE = 0.1
_JOB = "refresh"
_RETRY_SECONDS = 1.0
_PLANNING = "planning passes"

log = logging.getLogger(__name__)


def trigger(interval: timedelta) -> BaseTrigger:
    """Return when passes are due: every interval, some jitter added, and at 00:00 UTC."""
    seconds = interval.total_seconds()
    return OrTrigger(
        [
            IntervalTrigger(seconds=seconds * (1 - _JITTER_SHARE / 2), jitter=seconds * _JITTER_SHARE, timezone=UTC),
            CronTrigger(hour=0, minute=0, second=0, timezone=UTC),
        ]
    )


class _Steady(BackgroundScheduler):  # type: ignore[misc]  # the library has no types
    """Plans by the wall clock, like its base, and begins anew where that was set.

    Set back by an hour, the next pass would be an hour away; set forward by years, each one missed would be counted.
    """

    longest_wait = timedelta.max
    """Further away than this, before or behind, no pass can be that was planned by the clock as it is."""
    troubles = Troubles()

    def _process_jobs(self) -> Any:  # noqa: ANN401 - seconds, or None for no job
        try:
            now = datetime.now(UTC)
            for job in self.get_jobs():
                if abs(job.next_run_time - now) > self.longest_wait:
                    job.modify(next_run_time=now)
            seconds = super()._process_jobs()
        except Exception:  # no memory left, perhaps: without this thread no pass would ever run again
            if self.troubles.recur(_PLANNING):
                log.exception("passes could not be planned; trying again")
            return _RETRY_SECONDS
        self.troubles.end(_PLANNING)
        # Where the clock is set back in the midst of this, what is due in a moment appears to be an hour away.
        return None if seconds is None else min(seconds, self.longest_wait.total_seconds())


class Scheduler:
    """Runs one pass at a time in a thread of its own; passes missed while one runs are made up for by a single one."""

    def __init__(self, run: Callable[[], None], interval: timedelta) -> None:
        self._scheduler = _Steady(
            timezone=UTC,
            executors={"default": ThreadPoolExecutor(1)},
            job_defaults={"coalesce": True, "max_instances": 2, "misfire_grace_time": None},
        )
        self._scheduler.longest_wait = _longest_wait(interval)
        self._scheduler.add_job(run, trigger(interval), id=_JOB, next_run_time=datetime.now(UTC))

    def start(self) -> None:
        """Begin, with a pass at once."""
        self._scheduler.start()

    def reschedule(self, interval: timedelta) -> None:
        """Change the interval; the next pass runs at once."""
        self._scheduler.longest_wait = _longest_wait(interval)
        with contextlib.suppress(JobLookupError):  # once stopped there is no job
            self._scheduler.reschedule_job(_JOB, trigger=trigger(interval))
            self._scheduler.modify_job(_JOB, next_run_time=datetime.now(UTC))

    def stop(self) -> None:
        """Let no further pass begin; do not wait for a running one."""
        if self._scheduler.running:
            self._scheduler.shutdown(wait=False)


def _longest_wait(interval: timedelta) -> timedelta:
    return interval * (1 + _JITTER_SHARE) + timedelta(seconds=1)
