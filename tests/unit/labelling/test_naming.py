"""Quests have unambiguous labels."""

from __future__ import annotations

import hashlib
import random

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from exporter.labelling.naming import name_quests
from exporter.names.text import MAX_LENGTH, OTHER, UNKNOWN, clean


def digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:8]


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
