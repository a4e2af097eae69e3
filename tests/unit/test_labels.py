"""Labels: clean whatever the ledger holds, unambiguous, and bounded."""

from __future__ import annotations

import hashlib
import random
import unicodedata
from decimal import Decimal

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from exporter.labels import (
    MAX_LENGTH,
    MAX_TITLE_LENGTH,
    OTHER,
    UNKNOWN,
    Admission,
    clean,
    clean_or_unknown,
    clean_title,
    name_quests,
)
from tests.support.snapshots import folds, spend, usd

LIMITS = {"quest": 2, "model": 2, "provider": 2, "layer": 2, "combinations": 2}


def weight(*usd: int) -> tuple[Decimal, ...]:
    return tuple(map(Decimal, usd))


def digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:8]


class TestCleaning:
    @pytest.mark.parametrize(
        ("text", "expected"),
        [
            ("plain", "plain"),
            ("", ""),
            ("two\nlines", "two lines"),
            ("cr\r\nlf", "cr  lf"),
            ("\ttab\0nul", " tab nul"),
            ("next\x85line", "next line"),
            (' padded "quoted" ', " padded 'quoted' "),
            ("back\\slash", "back/slash"),
            ("Zürich 🚀 \N{ZERO WIDTH SPACE}", "Zürich 🚀 \N{ZERO WIDTH SPACE}"),
        ],
    )
    def test_only_what_would_hurt_is_replaced(self, text: str, expected: str) -> None:
        """Each control character becomes one space; nothing is stripped."""
        assert clean(text) == expected

    def test_ten_kilobytes_are_cut(self) -> None:
        assert clean("🚀" * 10_000) == "🚀" * 120
        assert clean_title("t" * 10_000) == "t" * 80

    @given(st.text())
    def test_a_clean_label_is_harmless_short_and_stays_as_it_is(self, text: str) -> None:
        cleaned = clean(text)

        assert not any(character in '"\\' or unicodedata.category(character) == "Cc" for character in cleaned)
        assert len(cleaned) == min(len(text), MAX_LENGTH)
        assert clean(cleaned) == cleaned

    def test_a_missing_title_is_empty(self) -> None:
        assert clean_title(None) == ""
        assert MAX_TITLE_LENGTH < MAX_LENGTH

    @pytest.mark.parametrize("missing", [None, ""])
    def test_a_missing_model_or_layer_is_unknown(self, missing: str | None) -> None:
        assert clean_or_unknown(missing) == UNKNOWN


class TestNaming:
    def test_a_quest_is_called_by_its_name(self) -> None:
        assert name_quests({"q-1": "Protein folding"}) == {"q-1": "Protein folding"}

    @pytest.mark.parametrize("missing", [None, ""])
    def test_a_quest_without_a_name_is_called_by_its_id(self, missing: str | None) -> None:
        assert name_quests({"q\n1": missing}) == {"q\n1": "q 1"}

    def test_of_equal_names_the_smallest_id_keeps_it(self) -> None:
        assert name_quests({"q-2": "Twin", "q-1": "Twin", "q-3": "Twin"}) == {
            "q-1": "Twin", "q-2": "Twin (q-2)", "q-3": "Twin (q-3)",
        }  # fmt: skip

    def test_smallest_is_judged_by_bytes(self) -> None:
        """As neither a locale nor UTF-16 would order them."""
        names = name_quests(
            {"\N{FULLWIDTH LATIN SMALL LETTER A}": "Twin", "\N{ROCKET}": "Twin", "Z": "Same", "a": "Same"}
        )

        assert names["\N{FULLWIDTH LATIN SMALL LETTER A}"] == "Twin"
        assert names["Z"] == "Same"

    def test_names_that_are_equal_once_clean_are_equal(self) -> None:
        assert name_quests({"1": 'say "hi"', "2": "say 'hi'"}) == {"1": "say 'hi'", "2": "say 'hi' (2)"}

    @pytest.mark.parametrize("reserved", [OTHER, UNKNOWN])
    def test_a_quest_that_is_called_like_a_fold_is_told_apart(self, reserved: str) -> None:
        assert name_quests({"q-1": reserved, reserved: None}) == {
            "q-1": f"{reserved} (q-1)", reserved: f"{reserved} ({reserved})",
        }  # fmt: skip

    def test_a_long_name_is_cut_so_that_the_id_fits(self) -> None:
        names = name_quests({"1": "n" * 200, "2": "n" * 200})

        assert names == {"1": "n" * 120, "2": "n" * 116 + " (2)"}

    def test_an_id_of_more_than_40_characters_stands_as_a_hash(self) -> None:
        fits, long = "b" * 40, "b" * 41

        assert name_quests({"a": "Twin", fits: "Twin", long: "Twin"}) == {
            "a": "Twin", fits: f"Twin ({fits})", long: f"Twin ({digest(long)})",
        }  # fmt: skip

    def test_a_label_that_is_taken_gives_way_to_a_hash(self) -> None:
        names = name_quests({"1": "Twin", "2": "Twin", "3": "Twin (2)"})

        assert names == {"1": "Twin", "3": "Twin (2)", "2": f"Twin ({digest('2')})"}

    @given(
        st.dictionaries(
            st.text(alphabet='ab"\n(1)', max_size=4) | st.text(max_size=60),
            st.none()
            | st.text(alphabet='ab"\n(1)', max_size=5)
            | st.sampled_from([OTHER, UNKNOWN, "a (a)", "n" * 130]),
            max_size=12,
        ),
        st.randoms(use_true_random=False),
    )
    @example({"a": "x", "b": "x", "c": "x (b)"}, random.Random(0))  # noqa: S311 - an order, not a secret
    def test_labels_are_unique_short_and_independent_of_order(
        self, names: dict[str, str | None], order: random.Random
    ) -> None:
        shuffled = list(names.items())
        order.shuffle(shuffled)
        labels = name_quests(names)

        assert labels.keys() == names.keys()
        assert len(set(labels.values()) - {OTHER, UNKNOWN}) == len(names)
        assert all(len(label) <= MAX_LENGTH and clean(label) == label for label in labels.values())
        assert name_quests(dict(shuffled)) == labels


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


class TestCombining:
    def test_folding_keeps_sums_whole(self) -> None:
        table = spend((("A", "m", "x"), 0, usd("1")), (("A", "n", "x"), 0, usd("2")), (("A", "o", "y"), 0, usd("4")))
        combined = folds(provider__model=[("A", "m")]).combine(table, "provider", "model")

        assert {key: combined.window(key, "today").usd for key in combined.cells} == {("A", "m"): 1, ("A", OTHER): 6}

    def test_labels_that_are_not_open_stay_beside_the_combination(self) -> None:
        table = spend((("A", "m", "x"), 0, usd("1")))
        by_quest = folds(quest__provider=[]).combine(table, "quest", "provider")

        assert list(by_quest.cells) == [(OTHER, "A")]
