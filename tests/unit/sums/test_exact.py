"""What is added up: exactly, and so that what was added can be taken away again."""

from __future__ import annotations

from decimal import Decimal, Inexact
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.sums import EXACT, Allocation, Outcomes, Spend, Waste
from tests.support.snapshots import usd
from tests.support.table_rows import money

integers = st.integers(-(10**20), 10**20)
KINDS = [
    st.builds(Spend, money, integers, integers, integers),
    st.builds(Outcomes, money, money, integers, money, integers),
    st.builds(Waste, money, integers, integers),
    st.builds(Allocation, money, money, integers, integers),
]


class TestSums:
    def test_large_and_small_add_without_rounding(self) -> None:
        total = usd("1e100") + usd("1e-300") + usd("-1e100")

        assert total.usd == Decimal("1e-300")

    def test_a_sum_that_would_be_rounded_raises(self) -> None:
        with pytest.raises(Inexact):
            EXACT.add(Decimal("1e20001"), Decimal(1))

    def test_spend_adds_and_subtracts_in_every_part(self) -> None:
        one, other = usd("1.5", 10, 20, 2), usd("0.5", 1, 2, 1)

        assert one + other == usd("2.0", 11, 22, 3)
        assert one - other == usd("1.0", 9, 18, 1)

    def test_growth_is_what_did_not_fall(self) -> None:
        assert Spend(Decimal(-1), 5, -3, 0).growth() == Spend(Decimal(0), 5, 0, 0)

    def test_outcomes_add_settled_and_pending_apart(self) -> None:
        one = Outcomes(Decimal(1), Decimal(2), 3, Decimal(4), 5)

        assert one + one == Outcomes(Decimal(2), Decimal(4), 6, Decimal(8), 10)

    def test_waste_adds_in_every_part(self) -> None:
        assert Waste(Decimal(1), 2, 3) + Waste(Decimal(10), 20, 30) == Waste(Decimal(11), 22, 33)

    def test_impact_per_usd_is_the_exact_ratio_of_the_sums(self) -> None:
        assert Outcomes(impact=Decimal(1), usd=Decimal(3)).impact_per_usd == Fraction(1, 3)

    @pytest.mark.parametrize("cost", ["0", "-3"])
    def test_there_is_no_impact_per_usd_where_the_cost_is_not_above_0(self, cost: str) -> None:
        assert Outcomes(impact=Decimal(1), usd=Decimal(cost)).impact_per_usd is None

    @pytest.mark.parametrize(("rows", "recorded_rows", "known"), [(0, 0, True), (2, 0, False), (2, 1, True)])
    def test_a_recorded_spend_is_known_if_there_is_a_record_or_nothing_to_record(
        self, rows: int, recorded_rows: int, *, known: bool
    ) -> None:
        assert Allocation(rows=rows, recorded_rows=recorded_rows).recorded_known is known

    def test_allocations_add_in_every_part(self) -> None:
        one = Allocation(Decimal(1), Decimal(2), 3, 4)

        assert one + one == Allocation(Decimal(2), Decimal(4), 6, 8)

    @given(st.sampled_from(KINDS).flatmap(lambda kind: st.tuples(kind, kind)))
    def test_what_was_added_can_be_taken_away(self, pair: tuple[Spend, Spend]) -> None:
        one, other = pair

        assert one + other + -other == one
        assert set(one + -one) == {0}

    @pytest.mark.parametrize(
        ("sums", "rows"),
        [
            (Spend(charges=3), 3),
            (Outcomes(settled=3, pending=4), 7),
            (Waste(outcomes=3), 3),
            (Allocation(rows=3, recorded_rows=2), 3),
        ],
    )
    def test_sums_know_how_many_rows_they_are_of(self, sums: Spend | Outcomes | Waste | Allocation, rows: int) -> None:
        assert sums.rows == rows
