"""What was derived is remembered, and what nobody asks for any more is not."""

from __future__ import annotations

import weakref

from exporter.sums import Key, Spend, Table
from exporter.sums.remembered import Remembered
from exporter.sums.tasks import TaskNumbers, Tasks

TODAY = 20_553


class Labels:
    """Labels as they are at one time; with a new quest there are others."""

    def key(self, key: Key) -> Key:
        return key

    def provider(self, provider: str) -> str:
        return provider


def test_the_latest_few_are_remembered() -> None:
    remembered: Remembered[int] = Remembered()
    for number in range(100):
        remembered[number] = number

    assert list(remembered) == list(range(84, 100))


def test_labels_of_before_are_forgotten() -> None:
    """A ledger that does not change is relabelled with each reload and each new quest: its memory stays as it is."""
    table = Table.of(("provider",), TODAY, Spend(), [(("Codex",), TODAY, Spend())])
    tasks = Tasks(TODAY, {("Codex", TODAY): TaskNumbers().of(["t"])}).over(Tasks(TODAY, {}))
    kept = []
    for _ in range(100):
        labels = Labels()
        table.regroup(("provider",), labels.key)
        tasks.counts(labels.provider)
        kept.append(weakref.ref(labels))
    del labels

    assert sum(one() is not None for one in kept) <= 16


def test_what_is_derived_again_is_the_same() -> None:
    table = Table.of(("provider",), TODAY, Spend(), [(("Codex",), TODAY, Spend())])
    labels = Labels()

    assert table.regroup(("provider",), labels.key) is table.regroup(("provider",), labels.key)
