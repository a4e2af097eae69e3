"""Parts and windows: mergeable, exact, and present where they are known."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal, Inexact
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.parts import (
    EXACT,
    WINDOWS,
    Allocation,
    BudgetPart,
    CostPart,
    ImpactPart,
    Outcomes,
    Spend,
    Table,
    TaskOutcome,
    Waste,
    count_all_tasks,
    count_tasks,
    day_name,
    day_of,
    day_seconds,
    in_window,
    merge_task_days,
)
from tests.unit.made import TODAY, allocations, outcomes, spend, usd, waste

LABELS = ("provider", "model", "quest")
EARLIER = 1 << 30
"""The bit of a task's days that stands for all days before the last 30."""

keys = st.tuples(st.sampled_from("AB"), st.sampled_from("mn"), st.sampled_from("xyz"))
money = st.decimals(-(10**15), 10**15, places=9) | st.sampled_from(
    [Decimal("1e-300"), Decimal("1e100"), Decimal("-1e100")]
)
charges = st.lists(st.tuples(keys, st.integers(TODAY - 40, TODAY), st.builds(usd, money.map(str))), max_size=20)


def table(rows: list[tuple[tuple[str, ...], int, Spend]]) -> Table[Spend]:
    return Table.of(LABELS, TODAY, Spend(), rows)


def exact_sum(rows: list[tuple[tuple[str, ...], int, Spend]]) -> Fraction:
    return sum((Fraction(sums.usd) for _, _, sums in rows), Fraction())


class TestDays:
    def test_a_day_begins_at_midnight_utc(self) -> None:
        midnight = datetime(2026, 4, 10, tzinfo=UTC)

        assert day_of(midnight) == TODAY
        assert day_of(midnight - timedelta(microseconds=1)) == TODAY - 1

    def test_an_instant_belongs_to_its_utc_day_whatever_its_zone(self) -> None:
        assert day_of(datetime(2026, 4, 11, 11, 59, tzinfo=timezone(timedelta(hours=12)))) == TODAY

    def test_days_before_1970_are_negative(self) -> None:
        assert day_of(datetime(1969, 12, 31, 23, tzinfo=UTC)) == -1

    def test_a_day_is_named_by_its_date(self) -> None:
        assert day_name(TODAY) == "2026-04-10"

    def test_a_day_has_the_timestamp_of_its_first_instant(self) -> None:
        assert day_seconds(TODAY) == datetime(2026, 4, 10, tzinfo=UTC).timestamp()


class TestWindows:
    @pytest.mark.parametrize(
        ("age", "expected"),
        [
            (-1, set()),
            (0, {"today", "7d", "30d", "all"}),
            (1, {"yesterday", "7d", "30d", "all"}),
            (6, {"7d", "30d", "all"}),
            (7, {"30d", "all"}),
            (29, {"30d", "all"}),
            (30, {"all"}),
            (4000, {"all"}),
        ],
    )
    def test_windows_count_calendar_days_today_included(self, age: int, expected: set[str]) -> None:
        assert {window for window in WINDOWS if in_window(window, age)} == expected

    def test_a_recent_key_is_in_every_window_zero_included(self) -> None:
        """One row 29 days old is enough to know that nothing happened since."""
        found = {window: sums.usd for _, window, sums in spend((("A", "m", "x"), 29, usd("5"))).windows(WINDOWS)}

        assert found == {"today": 0, "yesterday": 0, "7d": 0, "30d": 5, "all": 5}

    def test_an_old_key_is_in_all_alone(self) -> None:
        found = {window: sums.usd for _, window, sums in spend((("A", "m", "x"), 30, usd("5"))).windows(WINDOWS)}

        assert found == {"all": 5}

    def test_only_complete_windows_are_published(self) -> None:
        found = [window for _, window, _ in spend((("A", "m", "x"), 0, usd("5"))).windows(("7d", "all"))]

        assert found == ["7d", "all"]

    def test_a_key_that_does_not_exist_is_zero(self) -> None:
        assert spend().window(("A", "m", "x"), "all") == Spend()

    def test_recent_keys_are_those_of_the_last_30_days(self) -> None:
        young, old = ("A", "m", "x"), ("B", "m", "x")

        assert spend((young, 29, usd("1")), (old, 30, usd("1"))).recent_keys() == [young]


class TestTables:
    def test_rows_of_one_key_and_day_add_up(self) -> None:
        key = ("A", "m", "x")

        assert spend((key, 0, usd("1.10", 1, 2)), (key, 0, usd("2.20", 3, 4))).window(key, "today") == usd(
            "3.30", 4, 6, 2
        )

    def test_a_marginal_takes_its_labels_in_the_order_asked_for(self) -> None:
        assert list(spend((("A", "m", "x"), 0, usd("1"))).by("quest", "provider").cells) == [("x", "A")]

    def test_where_keeps_the_cells_that_meet_the_condition(self) -> None:
        key = ("A", "m", "x")
        refunded = spend((key, 0, usd("-1")), (key, 1, usd("2")))

        assert [(day, sums.usd) for _, day, sums in refunded.where(lambda sums: sums.usd > 0).rows()] == [
            (TODAY - 1, 2)
        ]

    def test_the_total_of_a_day_is_over_all_keys(self) -> None:
        assert spend(
            (("A", "m", "x"), 1, usd("1")), (("B", "m", "x"), 1, usd("2")), (("B", "m", "x"), 0, usd("4"))
        ).total(TODAY - 1) == usd("3", charges=2)

    @given(charges, charges)
    def test_a_sum_of_tables_is_the_table_of_all_rows(self, one: list[object], other: list[object]) -> None:
        """Shards and ranges add up to what one ledger would say, in every window, to the last digit."""
        merged, whole = table(one) + table(other), table(one + other)  # type: ignore[arg-type]

        assert {(k, w): s for k, w, s in merged.windows(WINDOWS)} == {(k, w): s for k, w, s in whole.windows(WINDOWS)}

    @given(charges, st.sampled_from([(), ("provider",), ("quest",), ("quest", "provider"), LABELS]))
    def test_the_parts_of_a_marginal_equal_the_whole(self, rows: list[object], labels: tuple[str, ...]) -> None:
        """However the ledger is cut, its sum is the same, to the last digit."""
        marginal = table(rows).by(*labels)  # type: ignore[arg-type]

        assert sum((Fraction(marginal.window(key, "all").usd) for key in marginal.cells), Fraction()) == exact_sum(rows)  # type: ignore[arg-type]

    @given(charges)
    def test_a_window_is_the_sum_of_its_rows(self, rows: list[tuple[tuple[str, ...], int, Spend]]) -> None:
        overall = table(rows).by()

        for window in WINDOWS:
            expected = exact_sum([row for row in rows if in_window(window, TODAY - row[1])])
            assert Fraction(overall.window((), window).usd) == expected


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

    def test_an_unscored_outcome_has_no_impact_per_dollar(self) -> None:
        outcome = TaskOutcome("t", None, None, None, None, Decimal(1), 0, 0)

        with pytest.raises(ValueError, match="unscored"):
            _ = outcome.impact_per_usd


class TestTasks:
    def test_a_task_charged_twice_is_one(self) -> None:
        assert count_tasks({("A", "t"): 0b11}, ["7d"]) == {("A", "7d"): 1}

    def test_a_task_of_two_providers_counts_for_both_and_once_over_all(self) -> None:
        tasks = {("A", "t"): 0b1, ("B", "t"): 0b1}

        assert count_tasks(tasks, ["today"]) == {("A", "today"): 1, ("B", "today"): 1}
        assert count_all_tasks(tasks, ["today"]) == {"today": 1}

    def test_days_before_the_last_30_count_in_all_alone(self) -> None:
        assert {window: count for (_, window), count in count_tasks({("A", "t"): EARLIER}, WINDOWS).items()} == {
            "today": 0, "yesterday": 0, "7d": 0, "30d": 0, "all": 1,
        }  # fmt: skip

    def test_without_tasks_the_number_of_tasks_is_0_in_every_window(self) -> None:
        assert count_all_tasks({}, WINDOWS) == dict.fromkeys(WINDOWS, 0)

    @given(
        st.lists(st.tuples(st.sampled_from("AB"), st.sampled_from("tuvw"), st.integers(0, 30)), max_size=30), st.data()
    )
    def test_distinct_tasks_are_the_size_of_the_union(
        self, charged: list[tuple[str, str, int]], data: st.DataObject
    ) -> None:
        """Wherever the charges of a task were read, it is one task of each provider in each window."""
        cut = data.draw(st.integers(0, len(charged)))
        parts = [
            [((provider, task), 1 << age) for provider, task, age in part] for part in (charged[:cut], charged[cut:])
        ]
        merged = merge_task_days(parts)

        for window in WINDOWS:
            tasks = {(provider, task) for provider, task, age in charged if in_window(window, age)}
            found = count_tasks(merged, [window])
            for provider in "AB":
                assert found.get((provider, window), 0) == sum(1 for its, _ in tasks if its == provider)
            assert count_all_tasks(merged, [window]) == {window: len({task for _, task in tasks})}


COST = CostPart(
    instant=100.0,
    today=TODAY,
    rows=3,
    rejected={"instant": 1, "cost": 2},
    newest=5,
    spend=spend((("A", "m", "x"), 0, usd("1"))),
    gross={("A", "m", "x"): usd("1")},
    first_seen={("A", "m"): 7},
    tasks={("A", "t"): 0b1},
    task_spend={("t", "x"): usd("1")},
    has_tokens_out=True,
)
IMPACT = ImpactPart(
    instant=100.0,
    today=TODAY,
    rows=3,
    rejected={"instant": 0, "cost": 0, "impact": 1},
    newest=None,
    outcomes=outcomes((("x", "Atlas"), 0, Outcomes(settled=1))),
    waste=waste((("x", "Atlas", "unscored"), 0, Waste(outcomes=1))),
    best=(TaskOutcome("t", None, "x", None, Decimal(1), Decimal(1), 0, 0),),
    wasted=(TaskOutcome("u", None, "x", None, None, Decimal(1), 2000, 0, "unscored"),),
)
BUDGET = BudgetPart(
    instant=100.0,
    today=TODAY,
    rows=1,
    rejected={"instant": 0, "allocation": 0},
    newest=9,
    allocations=allocations(("x", 0, Allocation(usd=Decimal(10), rows=1))),
    newest_day=TODAY,
    current={"x": Decimal(10)},
    names={"x": (TODAY, frozenset({"Quest X"}))},
)


class TestShards:
    """A ledger that is spread over several databases is the sum of its parts."""

    def test_a_ledger_is_as_old_as_its_oldest_part(self) -> None:
        merged = COST + replace(COST, instant=90.0, newest=8)

        assert (merged.instant, merged.newest, merged.rows) == (90.0, 8, 6)
        assert merged.rejected == {"instant": 2, "cost": 4}

    def test_the_newest_row_of_an_empty_part_does_not_count(self) -> None:
        assert (COST + replace(COST, newest=None)).newest == 5

    def test_charges_of_one_key_add_up_in_all_that_is_kept(self) -> None:
        merged = COST + COST

        assert merged.spend.window(("A", "m", "x"), "today") == usd("2", charges=2)
        assert merged.gross == {("A", "m", "x"): usd("2", charges=2)}
        assert merged.task_spend == {("t", "x"): usd("2", charges=2)}

    def test_a_model_was_first_seen_where_it_was_seen_first(self) -> None:
        merged = COST + replace(COST, first_seen={("A", "m"): 6, ("B", "m"): 8})

        assert merged.first_seen == {("A", "m"): 6, ("B", "m"): 8}

    def test_a_task_charged_in_two_shards_is_one_task(self) -> None:
        assert (COST + replace(COST, tasks={("A", "t"): 0b10})).tasks == {("A", "t"): 0b11}

    def test_what_one_shard_does_not_know_is_not_known_of_the_whole(self) -> None:
        merged = COST + replace(COST, tasks=None, task_spend=None, has_tokens_out=False)

        assert (merged.tasks, merged.task_spend, merged.has_tokens_out) == (None, None, False)

    def test_outcomes_waste_and_candidates_of_rankings_come_together(self) -> None:
        merged = IMPACT + IMPACT

        assert merged.outcomes.window(("x", "Atlas"), "today").settled == 2
        assert merged.waste.window(("x", "Atlas", "unscored"), "today").outcomes == 2
        assert (len(merged.best), len(merged.wasted), merged.newest) == (2, 2, None)

    def test_the_budget_is_that_of_the_newest_day_of_all_shards(self) -> None:
        older = replace(BUDGET, newest_day=TODAY - 1, current={"y": Decimal(5)})

        assert (BUDGET + older).current == (older + BUDGET).current == {"x": Decimal(10)}
        assert (older + BUDGET).newest_day == TODAY

    def test_budgets_of_the_same_day_add_up(self) -> None:
        assert (BUDGET + replace(BUDGET, current={"x": Decimal(1), "y": Decimal(5)})).current == {
            "x": Decimal(11), "y": Decimal(5),
        }  # fmt: skip

    def test_a_budget_ledger_without_a_day_adds_nothing(self) -> None:
        assert (BUDGET + replace(BUDGET, newest_day=None, current={})).current == BUDGET.current

    def test_a_quest_is_called_what_its_newest_row_calls_it(self) -> None:
        newer = replace(BUDGET, names={"x": (TODAY + 1, frozenset({"New"}))})
        same_day = replace(BUDGET, names={"x": (TODAY, frozenset({"Also"}))})

        assert (BUDGET + newer).names == (newer + BUDGET).names == {"x": (TODAY + 1, frozenset({"New"}))}
        assert (BUDGET + same_day).names == {"x": (TODAY, frozenset({"Quest X", "Also"}))}
