"""Text from a ledger is made safe for a label."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.names.text import MAX_LENGTH, MAX_TITLE_LENGTH, UNKNOWN, clean, clean_or_unknown, clean_title


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
