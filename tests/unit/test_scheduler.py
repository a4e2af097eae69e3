"""When passes run: at once, every interval with some jitter, at midnight, and never two at a time."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Self
from unittest.mock import patch

import pytest
from apscheduler.schedulers import base

from exporter import scheduler as scheduling
from exporter.scheduler import Scheduler, trigger
from tests.support.exporter_process import eventually
from tests.support.sizes import sizes

DEADLINE = 60.0
NEVER = timedelta(days=1)
NOON = datetime(2026, 4, 10, 12, tzinfo=UTC)
MIDNIGHT = datetime(2026, 4, 11, tzinfo=UTC)


def due_after(interval: timedelta, last: datetime) -> datetime:
    """When the pass after the one at `last` is due."""
    due = trigger(interval).get_next_fire_time(last, last)
    assert due is not None
    return due


class Passes:
    """Passes that can be held up, and how many began, ended and ran at a time."""

    def __init__(self) -> None:
        self.go_on = threading.Event()
        self.go_on.set()
        self.began = 0
        self.running = 0
        self.most_at_a_time = 0
        self._change = threading.Condition()

    def run(self) -> None:
        with self._change:
            self.began += 1
            self.running += 1
            self.most_at_a_time = max(self.most_at_a_time, self.running)
            self._change.notify_all()
        self.go_on.wait(DEADLINE)
        with self._change:
            self.running -= 1
            self._change.notify_all()

    def wait_for(self, number: int) -> None:
        with self._change:
            assert self._change.wait_for(lambda: self.began >= number, DEADLINE), f"{self.began} passes began"


@contextmanager
def running(passes: Passes, interval: timedelta) -> Iterator[Scheduler]:
    scheduler = Scheduler(passes.run, interval)
    scheduler.start()
    try:
        yield scheduler
    finally:
        passes.go_on.set()
        scheduler.stop()


def test_a_pass_is_due_every_interval_with_a_tenth_of_jitter() -> None:
    """An HA pair that starts together does not ask together for ever."""
    waits = {(due_after(timedelta(seconds=15), NOON) - NOON).total_seconds() for _ in range(300)}

    assert min(waits) >= 13.5
    assert max(waits) <= 16.5
    assert max(waits) - min(waits) > 1


def test_a_pass_is_due_at_midnight_utc_whatever_the_interval() -> None:
    """When every `today` ends."""
    assert due_after(timedelta(hours=23), NOON) == MIDNIGHT


def test_the_pass_at_midnight_is_not_jittered() -> None:
    before = MIDNIGHT - timedelta(seconds=5)

    assert {due_after(timedelta(seconds=15), before) for _ in range(50)} == {MIDNIGHT}


def test_after_midnight_the_interval_goes_on() -> None:
    wait = due_after(timedelta(seconds=15), MIDNIGHT + timedelta(microseconds=1)) - MIDNIGHT

    assert timedelta(seconds=13) < wait < timedelta(seconds=17)


def test_the_first_pass_runs_at_once() -> None:
    passes = Passes()
    with running(passes, NEVER):
        passes.wait_for(1)


def test_passes_follow_one_another() -> None:
    passes = Passes()
    with running(passes, timedelta(milliseconds=10)):
        passes.wait_for(5)


def test_passes_do_not_overlap() -> None:
    """However long one takes; what was missed is made up for by one."""
    passes = Passes()
    passes.go_on.clear()
    with running(passes, timedelta(milliseconds=10)) as scheduler:
        passes.wait_for(1)
        for _ in range(3):
            scheduler.reschedule(timedelta(milliseconds=10))
        passes.go_on.set()
        passes.wait_for(4)

    assert passes.most_at_a_time == 1


class WallClock(datetime):
    """The machine's clock, which somebody may set: at once, or after so many looks at it."""

    set_by = timedelta(0)
    later: tuple[int, timedelta] | None = None

    @classmethod
    def now(cls, tz: tzinfo | None = None) -> Self:
        now = super().now(tz) + cls.set_by
        if cls.later is not None:
            looks, step = cls.later
            cls.later = (looks - 1, step) if looks > 1 else None
            cls.set_by = cls.set_by if cls.later else step
        return now


@pytest.fixture
def wall_clock() -> Iterator[type[WallClock]]:
    """The clock that APScheduler and the exporter go by."""
    with patch.object(base, "datetime", WallClock), patch.object(scheduling, "datetime", WallClock):
        yield WallClock
    WallClock.set_by, WallClock.later = timedelta(0), None


@pytest.mark.parametrize(
    "step",
    [timedelta(hours=-1), timedelta(days=-400), timedelta(hours=1), timedelta(days=20_000)],
    ids=["an hour back", "a year back", "an hour on", "from 1970 to now"],
)
def test_passes_go_on_when_the_clock_is_set(wall_clock: type[WallClock], step: timedelta) -> None:
    """Within an interval of real time, whatever time it has become: no pass is an hour late, or made up for a million times."""
    passes = Passes()
    with running(passes, timedelta(milliseconds=100)):
        passes.wait_for(2)
        wall_clock.set_by = step
        passes.wait_for(passes.began + 3)


@pytest.mark.parametrize("looks", [1, 2, 3])
def test_passes_go_on_when_the_clock_is_set_back_while_they_are_planned(
    wall_clock: type[WallClock], looks: int
) -> None:
    """Between one look at the clock and the next."""
    passes = Passes()
    with running(passes, timedelta(milliseconds=100)):
        passes.wait_for(2)
        wall_clock.later = looks, timedelta(hours=-1)
        passes.wait_for(passes.began + 3)


def test_passes_go_on_after_planning_them_has_failed(caplog: pytest.LogCaptureFixture) -> None:
    """There is no memory for a moment: the thread that plans passes must not be gone for ever, nor fill the log."""
    passes = Passes()
    with sizes(planning_retry_seconds=0.01), running(passes, timedelta(milliseconds=10)):
        passes.wait_for(2)
        with patch.object(base.BaseScheduler, "_process_jobs", side_effect=MemoryError) as planning:
            eventually(lambda: planning.call_count >= 20, "planning is not tried again")
            told = [record for record in caplog.records if "could not be planned" in record.getMessage()]
            assert len(told) <= planning.call_count.bit_length()
        passes.wait_for(passes.began + 3)


def test_a_failing_pass_does_not_end_the_schedule() -> None:
    passes = Passes()

    def fail() -> None:
        passes.run()
        raise RuntimeError("a pass fails")

    scheduler = Scheduler(fail, timedelta(milliseconds=10))
    scheduler.start()
    try:
        passes.wait_for(3)
    finally:
        scheduler.stop()


def test_a_new_interval_begins_with_a_pass_at_once() -> None:
    passes = Passes()
    with running(passes, NEVER) as scheduler:
        passes.wait_for(1)
        scheduler.reschedule(NEVER)
        passes.wait_for(2)


def test_stopping_does_not_wait_for_a_running_pass() -> None:
    passes = Passes()
    passes.go_on.clear()
    scheduler = Scheduler(passes.run, timedelta(milliseconds=10))
    scheduler.start()
    passes.wait_for(1)
    scheduler.stop()
    still_running = passes.running
    passes.go_on.set()

    assert still_running == 1
