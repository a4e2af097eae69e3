"""Allocations added up from plain rows: budgets by quest and day, the newest budget, and what quests are called."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.sums import Allocation
from exporter.sums.allocations import AllocationRow, add_up_allocations
from exporter.sums.days import MICROSECONDS_A_DAY
from exporter.sums.numbers import NotANumberError
from exporter.sums.range_sums import BudgetSums
from tests.support.snapshots import TODAY


def allocation(days_ago: int = 0, **changes: Any) -> AllocationRow:
    usual: dict[str, Any] = {
        "id": None,
        "at": (TODAY - days_ago) * MICROSECONDS_A_DAY,
        "fingerprint": 7,
        "quest": "q1",
        "name": "Alpha",
        "usd": "10",
        "recorded": "4",
    }
    assert changes.keys() <= usual.keys()
    return tuple((usual | changes).values())  # type: ignore[return-value]


def added_up(*rows: AllocationRow) -> BudgetSums:
    return add_up_allocations(rows, today=TODAY)


def sums(usd: str, recorded: str, rows: int = 1, recorded_rows: int = 1) -> Allocation:
    return Allocation(Decimal(usd), Decimal(recorded), rows, recorded_rows)


class TestAllocations:
    def test_no_rows_add_up_to_nothing(self) -> None:
        assert added_up() == BudgetSums(0, 0, {"instant": 0, "allocation": 0}, None, None)

    def test_allocations_of_a_quest_and_day_add_up(self) -> None:
        found = added_up(allocation(), allocation(usd="0.1", recorded=None), allocation(1), allocation(quest="q2"))

        assert sorted(found.allocations) == [
            (("q1",), TODAY - 1, sums("10", "4")),
            (("q1",), TODAY, sums("10.1", "4", 2, 1)),
            (("q2",), TODAY, sums("10", "4")),
        ]
        assert (found.rows, found.fingerprint) == (4, 28)

    def test_an_empty_quest_is_the_same_as_none_and_has_no_name(self) -> None:
        found = added_up(allocation(quest=""), allocation(quest=None))

        assert found.allocations == [((None,), TODAY, sums("20", "8", 2, 2))]
        assert (found.names, found.current) == ({}, {None: 20})

    @pytest.mark.parametrize("usd", [None, "NaN", "Infinity", "-Infinity", "1e101"])
    def test_what_cannot_be_added_up_is_rejected_and_names_nothing(self, usd: str | None) -> None:
        found = added_up(allocation(usd=usd))
        expected = BudgetSums(1, 7, {"instant": 0, "allocation": 1}, TODAY * MICROSECONDS_A_DAY, None)

        assert found == expected

    @pytest.mark.parametrize("recorded", [None, "NaN", "Infinity", "1e101"])
    def test_a_recorded_spend_that_is_none_is_not_recorded(self, recorded: str | None) -> None:
        """The row counts all the same."""
        found = added_up(allocation(recorded=recorded))

        assert found.allocations == [(("q1",), TODAY, sums("10", "0", 1, 0))]
        assert not found.rejected["allocation"]

    @pytest.mark.parametrize("change", [{"usd": "much"}, {"recorded": "little"}])
    def test_a_text_that_is_no_number_is_refused(self, change: dict[str, Any]) -> None:
        with pytest.raises(NotANumberError):
            added_up(allocation(**change))


class TestNewestBudget:
    def test_it_is_of_the_newest_day_that_is_not_after_today(self) -> None:
        found = added_up(allocation(2), allocation(1, usd="7"), allocation(1, quest="q2"), allocation(-1, usd="99"))

        assert found.current == {"q1": 7, "q2": 10}
        assert found.newest == (TODAY - 1) * MICROSECONDS_A_DAY

    def test_allocations_of_one_quest_add_up(self) -> None:
        assert added_up(allocation(), allocation(usd="0.5")).current == {"q1": Decimal("10.5")}

    def test_a_rejected_row_makes_no_day_the_newest(self) -> None:
        found = added_up(allocation(0, usd=None), allocation(3))

        assert (found.newest, found.current) == ((TODAY - 3) * MICROSECONDS_A_DAY, {"q1": 10})

    def test_days_to_come_have_no_budget_yet(self) -> None:
        found = added_up(allocation(-1))

        assert (found.newest, found.current, len(found.allocations)) == (None, {}, 1)


class TestNames:
    def test_a_quest_has_the_names_of_its_newest_day(self) -> None:
        found = added_up(
            allocation(1, name="Old"), allocation(0, name="Beta"), allocation(0), allocation(2, name="Older"),
            allocation(5, quest="q2", name="Other"),
        )  # fmt: skip

        assert found.names == {
            "q1": (TODAY, frozenset({"Alpha", "Beta"})),
            "q2": (TODAY - 5, frozenset({"Other"})),
        }

    @pytest.mark.parametrize("name", ["", None])
    def test_a_newest_day_without_a_name_has_none(self, name: str | None) -> None:
        assert added_up(allocation(1), allocation(0, name=name)).names == {"q1": (TODAY, frozenset())}

    @pytest.mark.parametrize("name", ["", None])
    def test_a_row_without_a_name_takes_none_away(self, name: str | None) -> None:
        assert added_up(allocation(), allocation(name=name)).names == {"q1": (TODAY, frozenset({"Alpha"}))}

    def test_a_day_to_come_names_nothing_yet(self) -> None:
        assert added_up(allocation(1), allocation(-1, name="New")).names == {"q1": (TODAY - 1, frozenset({"Alpha"}))}


allocations = st.builds(
    allocation,
    st.integers(-2, 3),
    quest=st.sampled_from(["q1", "q2", "", None]),
    name=st.sampled_from(["Alpha", "Beta", "", None]),
    usd=st.sampled_from(["1", "0.1", "-3", "NaN", None, "1e100"]),
    recorded=st.sampled_from(["1", "NaN", None]),
    fingerprint=st.integers(),
)


@given(st.lists(allocations, max_size=20), st.randoms())
def test_the_order_of_rows_does_not_matter(rows: list[AllocationRow], random: Any) -> None:
    one, other = added_up(*rows), added_up(*random.sample(rows, len(rows)))

    assert one.says() == other.says()
    assert one.fingerprint == other.fingerprint
