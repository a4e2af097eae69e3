"""The number of labels is bounded."""

from __future__ import annotations

from decimal import Decimal

import pytest

from exporter.labelling.admission import Admission
from exporter.names.text import OTHER, UNKNOWN

LIMITS = {"quest": 2, "model": 2, "provider": 2, "layer": 2, "combinations": 2}


def weight(*usd: int) -> tuple[Decimal, ...]:
    return tuple(map(Decimal, usd))


class TestAdmission:
    def test_the_heaviest_stay(self) -> None:
        admission = Admission(LIMITS)
        admission.admit("model", {"light": weight(1), "heavy": weight(3), "middle": weight(2)})

        found = {model: admission.folds().value("model", model) for model in ("heavy", "middle", "light")}
        assert found == {"heavy": "heavy", "middle": "middle", "light": OTHER}
        assert admission.folded["model"] == 1

    def test_a_second_weight_decides_between_equals_and_then_the_smaller_value(self) -> None:
        admission = Admission({**LIMITS, "quest": 2})
        admission.admit("quest", {"c": weight(1, 0), "b": weight(1, 0), "d": weight(1, 5)})

        assert [quest for quest in "bcd" if admission.folds().keeps_quest(quest)] == ["b", "d"]

    def test_who_is_in_stays_in(self) -> None:
        """A series does not vanish at noon because another quest spends more."""
        admission = Admission(LIMITS)
        admission.admit("layer", {"a": weight(1), "b": weight(1)})
        admission.admit("layer", {"a": weight(1), "b": weight(1), "rich": weight(9)})

        assert admission.folds().value("layer", "rich") == OTHER
        assert admission.folded["layer"] == 1

    def test_a_newcomer_takes_a_free_place(self) -> None:
        admission = Admission(LIMITS)
        admission.admit("layer", {"a": weight(9)})
        admission.admit("layer", {"a": weight(9), "b": weight(1), "c": weight(2)})

        assert [admission.folds().value("layer", layer) for layer in "abc"] == ["a", OTHER, "c"]

    def test_folds_taken_before_do_not_change(self) -> None:
        """A snapshot is immutable, also in what it folds."""
        admission = Admission(LIMITS)
        before = admission.folds()
        admission.admit("layer", {"a": weight(1)})

        assert before.value("layer", "a") == OTHER

    @pytest.mark.parametrize("reserved", [OTHER, UNKNOWN])
    def test_folds_are_never_folded(self, reserved: str) -> None:
        assert Admission(LIMITS).folds().value("layer", reserved) == reserved

    def test_a_folded_combination_keeps_its_provider(self) -> None:
        admission = Admission({**LIMITS, "combinations": 1})
        admission.admit_combinations(("provider", "model"), {("A", "m"): weight(2), ("A", "n"): weight(1)})
        folded = admission.folds()

        assert folded.combination(("provider", "model"), ("A", "m")) == ("A", "m")
        assert folded.combination(("provider", "model"), ("A", "n")) == ("A", OTHER)
        assert admission.folded["provider,model"] == 1

    def test_what_folding_makes_needs_no_place(self) -> None:
        admission = Admission({**LIMITS, "combinations": 1})
        admission.admit_combinations(("quest", "layer"), {(OTHER, "Atlas"): weight(9), ("x", "Atlas"): weight(1)})

        assert admission.folds().combination(("quest", "layer"), ("x", "Atlas")) == ("x", "Atlas")
        assert admission.folded["quest,layer"] == 0

    def test_every_label_and_combination_is_counted_from_the_beginning(self) -> None:
        expected = {"quest", "model", "provider", "layer", "provider,model", "quest,provider", "quest,layer"}

        assert Admission(LIMITS).folded == dict.fromkeys(expected, 0)
