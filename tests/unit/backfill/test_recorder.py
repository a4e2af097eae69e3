"""The recorder keeps where series change, begin and end."""

from __future__ import annotations

from exporter.backfill.past import Step
from exporter.backfill.recorder import Recorder, Run
from exporter.views import providers, utilization
from tests.support.sizes import sizes


def step(*, whole: bool = False, **spend: float) -> Step:
    family = utilization.SPEND.family()
    for quest, usd in spend.items():
        family.add((quest, "today"), usd)
    return Step([family], whole)


def runs(recorder: Recorder) -> dict[str, list[Run]]:
    steps = recorder.steps
    return {
        labels[0]: list(changes.runs(steps))
        for by_labels in recorder.empty().values()
        for labels, changes in by_labels.items()
    }


def test_a_series_goes_on_until_it_changes() -> None:
    recorder = Recorder()
    recorder.take(step(whole=True, q=1, r=2))
    recorder.take(step(q=1))
    recorder.take(step(q=3, s=4))
    recorder.take(step())

    assert runs(recorder) == {"q": [Run(0, 2, 1), Run(2, 4, 3)], "r": [Run(0, 4, 2)], "s": [Run(2, 4, 4)]}


def test_what_a_whole_step_does_not_tell_of_ends() -> None:
    recorder = Recorder()
    recorder.take(step(whole=True, q=1, r=2))
    recorder.take(step(whole=True, r=2))
    recorder.take(step(whole=True, r=2))
    recorder.take(step(q=1))

    assert runs(recorder) == {"q": [Run(0, 1, 1), Run(3, 4, 1)], "r": [Run(0, 4, 2)]}


def test_a_metric_that_a_whole_step_lacks_ends() -> None:
    recorder = Recorder()
    recorder.take(step(whole=True, q=1))
    other = providers.CHARGED_TASKS.family()
    other.add(("today",), 5)
    recorder.take(Step([other], whole=True))

    assert runs(recorder) == {"q": [Run(0, 1, 1)], "today": [Run(1, 2, 5)]}


def test_samples_are_counted_without_gaps() -> None:
    recorder = Recorder()
    for quest in "qrq":
        recorder.take(step(whole=True, **{quest: 1.0}))
    ((_, by_labels),) = recorder.empty().items()

    assert {labels: changes.samples(3) for labels, changes in by_labels.items()} == {
        ("q", "today"): 2,
        ("r", "today"): 1,
    }


def test_it_is_full_when_there_is_much() -> None:
    recorder = Recorder()
    with sizes(many_changes=2):
        recorder.take(step(whole=True, q=1, r=2))
        assert not recorder.is_full

        recorder.take(step(q=2))
        assert recorder.is_full

        recorder.empty()
        assert not recorder.is_full
