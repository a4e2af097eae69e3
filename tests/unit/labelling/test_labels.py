"""What is folded into `other` stays in the sums."""

from __future__ import annotations

from exporter.names.text import OTHER
from tests.support.snapshots import folds, spend, usd


class TestCombining:
    def test_folding_keeps_sums_whole(self) -> None:
        table = spend((("A", "m", "x"), 0, usd("1")), (("A", "n", "x"), 0, usd("2")), (("A", "o", "y"), 0, usd("4")))
        combined = folds(provider__model=[("A", "m")]).combine(table, "provider", "model")

        assert {key: combined.window(key, "today").usd for key in combined.cells} == {("A", "m"): 1, ("A", OTHER): 6}

    def test_labels_that_are_not_open_stay_beside_the_combination(self) -> None:
        table = spend((("A", "m", "x"), 0, usd("1")))
        by_quest = folds(quest__provider=[]).combine(table, "quest", "provider")

        assert list(by_quest.cells) == [(OTHER, "A")]
