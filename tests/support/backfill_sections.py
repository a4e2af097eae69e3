"""Sections of a backfill with one series, for outputs and journals."""

from __future__ import annotations

from exporter.backfill.past import Step
from exporter.backfill.recorder import Recorder
from exporter.backfill.section import Section
from exporter.views import providers

MIDNIGHT = 1775779200


def section(*instants: int) -> Section:
    recorder = Recorder()
    for _ in instants:
        family = providers.CHARGED_TASKS.family()
        family.add(("today",), 3)
        recorder.take(Step([family], whole=True))
    return Section(instants, recorder.empty())
