"""Sums of ranges: added, split and restored they say what all their rows say at once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.sums import RECENT_DAYS, Allocation, Outcomes, TaskNumbers, TaskOutcome, Waste
from exporter.sums.allocations import add_up_allocations
from exporter.sums.charges import add_up_charges
from exporter.sums.days import MICROSECONDS_A_DAY
from exporter.sums.outcomes import Judgement, add_up_outcomes
from exporter.sums.range_sums import (
    BudgetSums,
    CostSums,
    ImpactSums,
    RangeSums,
    earliest,
    instants,
    larger,
    merged,
    smaller,
    up_to,
)
from tests.support.snapshots import TODAY, usd
from tests.support.table_rows import LENGTHS, Kind, exactly, range_sums

MIDNIGHT = TODAY * MICROSECONDS_A_DAY
NOON = MIDNIGHT + MICROSECONDS_A_DAY // 2
TASKS = TaskNumbers()
TASKS.of(["t", "u", "v"])
kinds = pytest.mark.parametrize("kind", ["cost", "impact", "budget"])

texts = st.sampled_from(["x", "y", "", None])
amounts = st.sampled_from(["1", "0.1", "-3", "3.0000000000000000000000001", "NaN", None, "1e100", "1e-300"])
at = st.sampled_from(
    [NOON, NOON + 1, MIDNIGHT, MIDNIGHT - 1, NOON + MICROSECONDS_A_DAY, NOON - 31 * MICROSECONDS_A_DAY]
)
days = st.integers(TODAY - 2, TODAY + 2).map(lambda day: day * MICROSECONDS_A_DAY)
labels = st.sampled_from(["t", "u", " u", "v", ""])
scores = st.sampled_from([None, "0.1", "0.3", "1", "NaN"])
tokens = st.sampled_from([999, 1001, 5000])
marks = st.integers(-(2**63), 2**63 - 1)
ROWS: dict[Kind, st.SearchStrategy[Any]] = {
    "cost": st.tuples(st.just(1), at, marks, texts, st.sampled_from("AB"), texts, labels, amounts, tokens, tokens),
    "impact": st.tuples(st.just(1), at, marks, texts, texts, labels, st.none(), amounts, scores, tokens),
    "budget": st.tuples(st.none(), days, marks, texts, texts, amounts, amounts),
}
"""Plain rows of each ledger."""


def added_up(kind: Kind, rows: Sequence[Any]) -> Any:
    """What rows add up to."""
    if kind == "cost":
        return add_up_charges(rows, now=NOON, single_tasks_from=TODAY - 1, family=str, numbers=TASKS)
    if kind == "budget":
        return add_up_allocations(rows, today=TODAY)
    return add_up_outcomes(
        rows,
        now=NOON,
        settled_before=MIDNIGHT,
        ranked_from=MIDNIGHT - (RECENT_DAYS - 1) * MICROSECONDS_A_DAY,
        judgement=Judgement(1000, Decimal("0.5"), *LENGTHS, str.strip),
    )


def everything(sums: RangeSums) -> object:
    """All that sums hold, comparable; of outcomes that may be ranked, their rank."""
    found = [sums.says(), sums.fingerprint]
    if isinstance(sums, CostSums):
        found.append(sums.task_spend)
    elif isinstance(sums, ImpactSums):
        found += [sums.lengths, *([one.rank for one in ranking] for ranking in (sums.best, sums.wasted))]
    return found


class TestAdding:
    @kinds
    @given(data=st.data())
    def test_it_equals_adding_up_all_rows_at_once(self, kind: Kind, data: st.DataObject) -> None:
        """In however many parts, rankings and names of the newest day included."""
        parts = data.draw(st.lists(st.lists(ROWS[kind], max_size=6), min_size=1, max_size=4))
        total, *others = (added_up(kind, part) for part in parts)
        for other in others:
            total = total + other

        assert everything(total) == everything(added_up(kind, [row for part in parts for row in part]))

    @kinds
    @given(data=st.data())
    def test_no_rows_change_nothing(self, kind: Kind, data: st.DataObject) -> None:
        sums = data.draw(range_sums(kind))
        nothing = added_up(kind, [])

        assert everything(sums + nothing) == everything(sums)

    @kinds
    @given(data=st.data())
    def test_it_changes_neither(self, kind: Kind, data: st.DataObject) -> None:
        """Both may be of ranges that stay."""
        one, other = data.draw(range_sums(kind)), data.draw(range_sums(kind))
        before = exactly([one, other])
        one + other

        assert exactly([one, other]) == before


class TestSplitting:
    @kinds
    @given(data=st.data())
    def test_what_is_restored_is_what_was_split(self, kind: Kind, data: st.DataObject) -> None:
        sums = data.draw(range_sums(kind))
        light, packed = sums.split()

        assert exactly(light.restored(packed)) == exactly(sums)

    @kinds
    @given(data=st.data())
    def test_the_light_half_has_no_tables_and_all_else(self, kind: Kind, data: st.DataObject) -> None:
        sums: RangeSums = data.draw(range_sums(kind))
        light, _ = sums.split()
        tables = [name for name, value in vars(sums).items() if isinstance(value, list)]

        assert all(getattr(light, name) == [] for name in tables)
        assert exactly(replace(light, **{name: getattr(sums, name) for name in tables})) == exactly(sums)


class TestSaying:
    @kinds
    @given(data=st.data())
    def test_sums_of_the_same_rows_say_the_same_in_any_order(self, kind: Kind, data: st.DataObject) -> None:
        rows = data.draw(st.lists(ROWS[kind], max_size=10))
        shuffled = data.draw(st.randoms()).sample(rows, len(rows))

        assert added_up(kind, rows).says() == added_up(kind, shuffled).says()

    @pytest.mark.parametrize(
        "change",
        [
            {"rows": 2},
            {"rejected": {"cost": 1}},
            {"oldest": 1},
            {"newest": 1},
            {"spend": [(("A", "m", None), TODAY, usd("1"))]},
            {"refunds": [(("A", "m", None), TODAY, usd("-1"))]},
            {"first_seen": {("A", "m"): 1}},
            {"tasks": {("A", TODAY): TASKS.of(["t"])}},
        ],
        ids=lambda change: next(iter(change)),
    )
    def test_every_figure_of_charges_is_said(self, change: dict[str, Any]) -> None:
        sums = CostSums(1, 0, {"cost": 0}, None, None)

        assert replace(sums, **change).says() != sums.says()

    @pytest.mark.parametrize(
        "change",
        [
            {"oldest_pending": 1},
            {"outcomes": [((None, None), TODAY, Outcomes(settled=1))]},
            {"outcomes": [((None, None), TODAY, Outcomes(pending=1))]},
            {"waste": [((None, None, "pending"), TODAY, Waste(outcomes=1))]},
        ],
        ids=str,
    )
    def test_every_figure_of_outcomes_is_said(self, change: dict[str, Any]) -> None:
        sums = ImpactSums(1, 0, {"cost": 0}, None, None)

        assert replace(sums, **change).says() != sums.says()

    @pytest.mark.parametrize(
        "change",
        [
            {"allocations": [(("x",), TODAY, Allocation(rows=1))]},
            {"names": {"x": (TODAY, frozenset({"X"}))}},
            {"current": {"x": Decimal(1)}},
        ],
        ids=lambda change: next(iter(change)),
    )
    def test_every_figure_of_allocations_is_said(self, change: dict[str, Any]) -> None:
        sums = BudgetSums(1, 0, {"cost": 0}, None, None)

        assert replace(sums, **change).says() != sums.says()

    def test_what_is_forgotten_with_its_days_is_not_said(self) -> None:
        """Else every range would be corrected once they are over. Nor is a fingerprint: it is compared before."""
        one = TaskOutcome("t", "t", None, None, None, Decimal(1), Decimal(1), 0, 0)
        cost = CostSums(1, 0, {}, None, None, task_spend={("t", None): usd("1")})
        impact = ImpactSums(1, 0, {}, None, None, best=(one,), wasted=(one,))

        assert cost.without_single_tasks() == replace(cost, task_spend={})
        assert impact.without_rankings() == replace(impact, best=(), wasted=())
        assert cost.says() == cost.without_single_tasks().says() == replace(cost, fingerprint=9).says()
        assert impact.says() == impact.without_rankings().says() == replace(impact, fingerprint=9).says()


class TestHelpers:
    def test_rows_of_days_to_come_are_left_out_up_to_today(self) -> None:
        rows = [((), TODAY + age, usd("1")) for age in (-1, 0, 1)]

        assert up_to(TODAY, rows) == rows[:2]

    def test_merged_tables_have_a_row_for_each_key_and_day(self) -> None:
        one = [(("a",), TODAY, usd("1")), (("a",), TODAY - 1, usd("2"))]
        other = [(("a",), TODAY, usd("3")), (("b",), TODAY, usd("4"))]

        assert sorted(merged(one, other)) == [
            (("a",), TODAY - 1, usd("2")),
            (("a",), TODAY, usd("4", charges=2)),
            (("b",), TODAY, usd("4")),
        ]

    def test_the_earliest_instant_of_each_key_stays(self) -> None:
        assert earliest({("a",): 1, ("b",): 5}, {("b",): 4, ("c",): 9}) == {("a",): 1, ("b",): 4, ("c",): 9}

    @pytest.mark.parametrize("choose", [smaller, larger])
    def test_what_is_not_known_is_never_chosen(self, choose: Callable[[int | None, int | None], int | None]) -> None:
        assert (choose(None, 3), choose(3, None), choose(None, None)) == (3, 3, None)
        assert (smaller(-1, 0), larger(-1, 0)) == (-1, 0)

    def test_the_newest_instant_of_several_ranges(self) -> None:
        ranges = [CostSums(1, 0, {}, None, newest) for newest in (3, None, -5)]

        assert (instants(ranges), instants(ranges[1:2]), instants([])) == (3, None, None)
