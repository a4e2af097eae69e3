"""When passes run: at once, then every interval, and at 00:00 UTC, when every `today` ends."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from apscheduler.executors.pool import ThreadPoolExecutor
from apscheduler.jobstores.base import JobLookupError
from apscheduler.schedulers.background import BackgroundScheduler
from apscheduler.triggers.base import BaseTrigger
from apscheduler.triggers.combining import OrTrigger
from apscheduler.triggers.cron import CronTrigger
from apscheduler.triggers.interval import IntervalTrigger

# Exporters started together, an HA pair above all, would otherwise ask one database at the same instant for ever.
_JITTER_SHARE = 0.1
_JOB = "refresh"


def trigger(interval: timedelta) -> BaseTrigger:
    """Return when passes are due: every interval, some jitter added, and at 00:00 UTC."""
    seconds = interval.total_seconds()
    return OrTrigger(
        [
            IntervalTrigger(seconds=seconds * (1 - _JITTER_SHARE / 2), jitter=seconds * _JITTER_SHARE, timezone=UTC),
            CronTrigger(hour=0, minute=0, second=0, timezone=UTC),
        ]
    )


class Scheduler:
    """Runs one pass at a time in a thread of its own; passes missed while one runs are made up for by a single one."""

    def __init__(self, run: Callable[[], None], interval: timedelta) -> None:
        self._scheduler = BackgroundScheduler(
            timezone=UTC,
            executors={"default": ThreadPoolExecutor(1)},
            job_defaults={"coalesce": True, "max_instances": 2, "misfire_grace_time": None},
        )
        self._scheduler.add_job(run, trigger(interval), id=_JOB, next_run_time=datetime.now(UTC))

    def start(self) -> None:
        """Begin, with a pass at once."""
        self._scheduler.start()

    def reschedule(self, interval: timedelta) -> None:
        """Change the interval; the next pass runs at once."""
        with contextlib.suppress(JobLookupError):  # once stopped there is no job
            self._scheduler.reschedule_job(_JOB, trigger=trigger(interval))
            self._scheduler.modify_job(_JOB, next_run_time=datetime.now(UTC))

    def stop(self) -> None:
        """Let no further pass begin; do not wait for a running one."""
        if self._scheduler.running:
            self._scheduler.shutdown(wait=False)
