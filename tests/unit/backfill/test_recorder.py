"""The recorder keeps where series change, begin and end."""

from __future__ import annotations

from exporter.backfill.recorder import Recorder, Run
from exporter.views import providers, utilization
from exporter.views.metric import Family
from tests.support.sizes import sizes


def told(**spend: float) -> list[Family]:
    """What a step tells: one gauge of each quest."""
    family = utilization.SPEND.family()
    for quest, usd in spend.items():
        family.add((quest, "today"), usd)
    return [family]


def runs(recorder: Recorder) -> dict[str, list[Run]]:
    return {labels[0]: runs for _, labels, runs in recorder.empty().series()}


def test_a_series_goes_on_until_it_changes() -> None:
    recorder = Recorder()
    recorder.take(60, told(q=1, r=2))
    recorder.take(120, told(q=1, r=2))
    recorder.take(180, told(q=3, r=2, s=4))
    recorder.take(240, told(q=3, r=2, s=4))

    assert runs(recorder) == {"q": [Run(0, 2, 1), Run(2, 4, 3)], "r": [Run(0, 4, 2)], "s": [Run(2, 4, 4)]}


def test_a_series_that_a_step_does_not_tell_of_ends() -> None:
    """And it may begin again."""
    recorder = Recorder()
    recorder.take(60, told(q=1, r=2))
    recorder.take(120, told(r=2))
    recorder.take(180, told(r=2))
    recorder.take(240, told(q=1, r=2))

    assert runs(recorder) == {"q": [Run(0, 1, 1), Run(3, 4, 1)], "r": [Run(0, 4, 2)]}


def test_a_metric_that_a_step_does_not_tell_of_ends() -> None:
    recorder = Recorder()
    recorder.take(60, told(q=1))
    other = providers.CHARGED_TASKS.family()
    other.add(("today",), 5)
    recorder.take(120, [other])

    assert runs(recorder) == {"q": [Run(0, 1, 1)], "today": [Run(1, 2, 5)]}


def test_series_and_samples_are_counted_without_gaps() -> None:
    recorder = Recorder()
    for instant, quest in enumerate("qrq"):
        recorder.take(instant, told(**{quest: 1.0}))
    section = recorder.empty()

    assert (section.instants, section.size()) == ([0, 1, 2], (2, 3))


def test_it_is_full_when_there_is_much() -> None:
    recorder = Recorder()
    with sizes(many_changes=2):
        recorder.take(60, told(q=1, r=2))
        assert not recorder.is_full

        recorder.take(120, told(q=2, r=2))
        assert recorder.is_full

        recorder.empty()
        assert not recorder.is_full
