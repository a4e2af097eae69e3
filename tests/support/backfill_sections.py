"""Sections of a backfill with one series, for outputs and journals."""

from __future__ import annotations

from exporter.backfill.recorder import Recorder, Section
from exporter.views import providers

MIDNIGHT = 1775779200


def section(*instants: int) -> Section:
    recorder = Recorder()
    for instant in instants:
        family = providers.CHARGED_TASKS.family()
        family.add(("today",), 3)
        recorder.take(instant, [family])
    return recorder.empty()
