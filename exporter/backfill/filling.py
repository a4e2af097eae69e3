"""The work itself: step after step is told, and written at the end of each day."""

from __future__ import annotations

from typing import Protocol

from exporter.backfill.journal import Done
from exporter.backfill.output import Output
from exporter.backfill.past import Past
from exporter.backfill.period import Steps
from exporter.backfill.recorder import Recorder


class Watch(Protocol):
    """Follows the work."""

    def wrote(self, done: Done) -> None:
        """Be told what is written for good."""

    def reached(self, number: int) -> None:
        """Be told how many steps are done, written or not, at the end of each day."""


def fill(past: Past, done: Done, output: Output, watch: Watch) -> Done:
    """Write every step that is not done, and return what is in the end; those done are gone through without telling them.

    Raises:
        ExporterError: a ledger cannot be read, or the output not be written.
    """
    recorder, steps, begin = Recorder(), done.steps, done.number
    for number in range(steps.count):
        if number < begin:
            past.skip(number)
        else:
            recorder.take(steps.instant(number), past.step(number))
            if _ends_day(steps, number) or recorder.is_full:
                section = recorder.empty()
                output.write(section)
                done = done.after(section, output.position)
                watch.wrote(done)
        if _ends_day(steps, number):
            watch.reached(number + 1)
    return done


def _ends_day(steps: Steps, number: int) -> bool:
    return number + 1 == steps.count or steps.day(number + 1) != steps.day(number)
