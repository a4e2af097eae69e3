"""Numbers as they arrive from a database: exact, told apart from those that cannot be added up, or refused."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.sums.numbers import NotANumberError, decimal, score, tokens

UNUSABLE = ["NaN", "nan", "Infinity", "-Infinity", "inf"]
NO_NUMBERS = ["", "free", "1,5", "$1.00", "1 2", "--1", "0.1.2", "1_000", "\uff11\uff12", "sNaN", "NaN123", "1e-16384"]
BIGGEST = 2**63 - 1


class TestDecimal:
    @pytest.mark.parametrize(
        ("text", "number"),
        [
            ("0", "0"),
            ("12345.67", "12345.67"),
            ("-0.01", "-0.01"),
            ("1e-07", "0.0000001"),
            ("1e+20", "100000000000000000000"),
            ("1e100", "1e100"),
            ("-1e100", "-1e100"),
            (" 1 ", "1"),
            ("1e-16383", "1e-16383"),
            ("123456789012345678901234567890.123456789012345678901234567890",) * 2,
        ],
    )
    def test_amounts_are_exact(self, text: str, number: str) -> None:
        assert decimal(text) == Decimal(number)

    @given(st.floats(-1e100, 1e100))
    def test_a_floating_point_number_is_its_shortest_text(self, number: float) -> None:
        """0.1 is a tenth, not the nearest double to it."""
        assert decimal(repr(number)) == Decimal(repr(number))

    @pytest.mark.parametrize(
        "text", [None, *UNUSABLE, "1e101", "-1e101", "1.0000000000000001e100", "1e400", "-1.0000000000000001e100"]
    )
    def test_what_cannot_be_added_up_is_none(self, text: str | None) -> None:
        assert decimal(text) is None

    @pytest.mark.parametrize("text", NO_NUMBERS)
    def test_a_text_that_is_no_number_is_refused_and_quoted(self, text: str) -> None:
        with pytest.raises(NotANumberError) as refused:
            decimal(text)

        assert f'invalid input syntax for type numeric: "{text}"' in str(refused.value)
        assert "map it with an expression that is NULL where it does not" in str(refused.value)

    def test_a_long_text_is_quoted_in_part(self) -> None:
        with pytest.raises(NotANumberError) as refused:
            decimal("x" * 10_000)

        assert len(str(refused.value)) < 600
        assert "x" * 300 in str(refused.value)


class TestScore:
    @pytest.mark.parametrize("text", ["0", "-0", "0.3", "1", "-1", "7", "1e308", "1.7976931348623157e+308", "5e-324"])
    def test_scores_are_exact(self, text: str) -> None:
        assert score(text) == Decimal(text)

    @pytest.mark.parametrize("text", [None, *UNUSABLE, "1e309", "-1e309", "1.7976931348623158e308"])
    def test_what_no_float_holds_is_none(self, text: str | None) -> None:
        assert score(text) is None

    @pytest.mark.parametrize("text", NO_NUMBERS)
    def test_a_text_that_is_no_number_is_refused(self, text: str) -> None:
        with pytest.raises(NotANumberError):
            score(text)


class TestTokens:
    @pytest.mark.parametrize("number", [0, 1, -7, BIGGEST, -BIGGEST - 1])
    def test_integers_are_as_they_are(self, number: int) -> None:
        assert tokens(number) == number

    @pytest.mark.parametrize("number", [Decimal(12), 12.0, "12", " 12 "])
    def test_so_are_whole_numbers_of_every_type(self, number: object) -> None:
        found = tokens(number)

        assert (found, type(found)) == (12, int)

    @pytest.mark.parametrize(
        ("number", "rounded"),
        [("0.5", 1), ("1.5", 2), ("2.5", 3), ("-0.5", -1), ("-2.5", -3), ("0.49999999999999999999", 0), (2.5, 3)],
    )
    def test_others_are_rounded_half_away_from_0(self, number: object, rounded: int) -> None:
        assert tokens(number) == rounded

    @pytest.mark.parametrize(
        "number",
        [None, *UNUSABLE, float("nan"), float("inf"), Decimal("NaN"), BIGGEST + 1, -BIGGEST - 2, 1e30, "1e400"],
    )
    def test_what_is_not_there_or_does_not_fit_is_0(self, number: object) -> None:
        assert tokens(number) == 0

    @pytest.mark.parametrize("number", ["many", "", True, [1]])
    def test_what_is_no_number_is_refused(self, number: object) -> None:
        with pytest.raises(NotANumberError):
            tokens(number)
