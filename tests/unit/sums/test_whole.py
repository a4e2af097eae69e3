"""A ledger that is spread over several databases is the sum of its parts."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

from exporter.sums import (
    WINDOWS,
    Allocation,
    BudgetPart,
    CostPart,
    ImpactPart,
    Outcomes,
    TaskNumbers,
    TaskOutcome,
    Tasks,
    Waste,
)
from exporter.sums.tasks import everyone
from tests.support.snapshots import TODAY, allocations, outcomes, spend, usd, waste

NUMBERS = TaskNumbers()
COST = CostPart(
    instant=100.0,
    today=TODAY,
    windows=WINDOWS,
    rejected={"instant": 1, "cost": 2},
    newest=5,
    spend=spend((("A", "m", "x"), 0, usd("1"))),
    refunds=spend((("A", "m", "x"), 0, usd("-2"))),
    first_seen={("A", "m"): 7},
    tasks=Tasks(TODAY, {("A", TODAY): NUMBERS.of(["t"])}),
    task_spend=({("t", "x"): usd("1")},),
    newest_task_spend=({("u", "x"): usd("2")},),
    has_tokens_out=True,
)
IMPACT = ImpactPart(
    instant=100.0,
    today=TODAY,
    windows=WINDOWS,
    rejected={"instant": 0, "cost": 0, "impact": 1},
    newest=None,
    outcomes=outcomes((("x", "Atlas"), 0, Outcomes(settled=1))),
    waste=waste((("x", "Atlas", "unscored"), 0, Waste(outcomes=1))),
    best=(TaskOutcome("t", "t", None, "x", None, Decimal(1), Decimal(1), 0, 0),),
    wasted=(TaskOutcome("u", "u", None, "x", None, None, Decimal(1), 2000, 0, "unscored"),),
)
BUDGET = BudgetPart(
    instant=100.0,
    today=TODAY,
    windows=WINDOWS,
    rejected={"instant": 0, "allocation": 0},
    newest=9,
    allocations=allocations(("x", 0, Allocation(usd=Decimal(10), rows=1))),
    newest_day=TODAY,
    current={"x": Decimal(10)},
    names={"x": (TODAY, frozenset({"Quest X"}))},
)


class TestShards:
    def test_a_ledger_is_as_old_as_its_oldest_part(self) -> None:
        merged = COST + replace(COST, instant=90.0, newest=8)

        assert (merged.instant, merged.newest) == (90.0, 8)
        assert merged.rejected == {"instant": 2, "cost": 4}

    def test_the_newest_row_of_an_empty_part_does_not_count(self) -> None:
        assert (COST + replace(COST, newest=None)).newest == 5

    def test_charges_of_one_key_add_up_in_all_that_is_kept(self) -> None:
        merged = COST + COST

        assert merged.spend.window(("A", "m", "x"), "today") == usd("2", charges=2)
        assert merged.refunds.window(("A", "m", "x"), "today") == usd("-4", charges=2)

    def test_what_tasks_were_charged_comes_together_in_pieces(self) -> None:
        """They are added up in `costliest`: those that stay are told from those that do not."""
        merged = COST + COST

        assert merged.task_spend == ({("t", "x"): usd("1")},) * 2
        assert merged.newest_task_spend == ({("u", "x"): usd("2")},) * 2

    def test_only_windows_that_every_shard_has_loaded_are_complete(self) -> None:
        merged = replace(COST, windows=("today", "7d", "all")) + replace(COST, windows=("7d", "today", "30d"))

        assert merged.windows == ("today", "7d")

    def test_a_model_was_first_seen_where_it_was_seen_first(self) -> None:
        merged = COST + replace(COST, first_seen={("A", "m"): 6, ("B", "m"): 8})

        assert merged.first_seen == {("A", "m"): 6, ("B", "m"): 8}

    def test_a_task_charged_in_two_shards_is_one_task(self) -> None:
        yesterday = Tasks(TODAY, {("A", TODAY - 1): NUMBERS.of(["t"]), ("B", TODAY): NUMBERS.of(["t", "u"])})
        tasks = (COST + replace(COST, tasks=yesterday)).tasks

        assert tasks is not None
        assert tasks.counts(str) == {"A": (1, 1, 1, 1, 1), "B": (2, 0, 2, 2, 2)}
        assert tasks.counts(everyone) == {"": (2, 1, 2, 2, 2)}

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
