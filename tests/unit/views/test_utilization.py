"""Utilization: are we over or under budget, day by day?"""

from __future__ import annotations

from decimal import Decimal

from exporter.sums import Allocation, day_name
from exporter.views import utilization
from tests.support.snapshots import (
    CLOSED,
    TODAY,
    allocations,
    budget_figures,
    cost_figures,
    published,
    snapshot,
    spend,
    usd,
    windowed,
)

ALPHA = ("A", "m", "Alpha")


def recorded(dollars: str) -> Allocation:
    return Allocation(Decimal(10), Decimal(dollars), rows=1, recorded_rows=1)


UNRECORDED = Allocation(Decimal(10), rows=1)


def test_spend_adds_up_by_quest_and_window_refunds_deducted() -> None:
    table = spend(
        (ALPHA, 0, usd("5")), (("B", "n", "Alpha"), 0, usd("-2")), (ALPHA, 1, usd("1")), (ALPHA, 40, usd("7"))
    )
    found = published(utilization.families(snapshot(cost=cost_figures(table))))

    assert found["ledger_quest_spend_usd"] == windowed("Alpha", today=3, yesterday=1, d7=4, d30=4, all=11)


def test_a_budgeted_quest_without_charges_has_spend_0() -> None:
    figures = budget_figures(budget={"Idle": Decimal(10)})
    found = published(utilization.families(snapshot(cost=cost_figures(), budget=figures)))

    assert found["ledger_quest_spend_usd"] == windowed("Idle", today=0, yesterday=0, d7=0, d30=0, all=0)


def test_a_quest_with_an_old_allocation_and_no_charge_has_spend_0_in_all_alone() -> None:
    figures = budget_figures(allocations(("Old", 30, UNRECORDED)))
    found = published(utilization.families(snapshot(cost=cost_figures(), budget=figures)))

    assert found["ledger_quest_spend_usd"] == windowed("Old", all=0)


def test_an_old_spender_with_a_budget_has_spent_0_since() -> None:
    figures = budget_figures(budget={"Alpha": Decimal(10)})
    cost = cost_figures(spend((ALPHA, 35, usd("7"))))
    found = published(utilization.families(snapshot(cost=cost, budget=figures)))

    assert found["ledger_quest_spend_usd"] == windowed("Alpha", today=0, yesterday=0, d7=0, d30=0, all=7)


def test_without_the_cost_ledger_spend_is_unknown_not_0() -> None:
    found = published(utilization.families(snapshot(budget=budget_figures(budget={"Alpha": Decimal(10)}))))

    assert "ledger_quest_spend_usd" not in found
    assert "ledger_day_spend_usd" not in found


def test_the_last_30_days_all_have_a_spend() -> None:
    """A day without a charge is 0: nothing was spent, and that is known."""
    table = spend((ALPHA, 0, usd("5")), (("B", "m", "Beta"), 0, usd("1")), (ALPHA, 29, usd("2")), (ALPHA, 30, usd("9")))
    found = published(utilization.families(snapshot(cost=cost_figures(table))))

    quiet = {(day_name(TODAY - age),): 0.0 for age in range(1, 29)}
    assert found["ledger_day_spend_usd"] == quiet | {("2026-04-10",): 6.0, (day_name(TODAY - 29),): 2.0}


def test_a_day_has_a_budget_only_with_an_allocation() -> None:
    table = allocations(
        ("Alpha", 0, UNRECORDED), ("Beta", 0, UNRECORDED), ("Alpha", 29, UNRECORDED), ("Alpha", 30, UNRECORDED)
    )
    found = published(utilization.families(snapshot(budget=budget_figures(table))))

    assert found["ledger_day_budget_usd"] == {("2026-04-10",): 20.0, (day_name(TODAY - 29),): 10.0}


def test_an_allocation_of_0_is_a_budget() -> None:
    table = allocations(("Alpha", 0, Allocation(rows=1)))

    assert published(utilization.families(snapshot(budget=budget_figures(table))))["ledger_day_budget_usd"] == {
        ("2026-04-10",): 0.0
    }


def test_a_day_has_a_recorded_spend_only_if_one_is_recorded() -> None:
    table = allocations(("Alpha", 0, recorded("3")), ("Beta", 0, UNRECORDED), ("Beta", 1, UNRECORDED))
    found = published(utilization.families(snapshot(budget=budget_figures(table))))

    assert found["ledger_day_recorded_spend_usd"] == {("2026-04-10",): 3.0}


def test_a_recorded_spend_is_absent_in_windows_whose_rows_record_none() -> None:
    """Unknown today, 0 yesterday, when there was no row to record one in."""
    table = allocations(("Alpha", 0, UNRECORDED), ("Alpha", 3, recorded("3")))
    found = published(utilization.families(snapshot(budget=budget_figures(table))))

    assert found["ledger_quest_recorded_spend_usd"] == windowed("Alpha", yesterday=0, d7=3, d30=3, all=3)


def test_a_quest_that_never_records_has_no_recorded_spend() -> None:
    table = allocations(("Alpha", 0, UNRECORDED))

    assert "ledger_quest_recorded_spend_usd" not in published(
        utilization.families(snapshot(budget=budget_figures(table)))
    )


def test_a_cost_ledger_read_yesterday_has_no_today() -> None:
    found = published(utilization.families(snapshot(cost=cost_figures(spend((ALPHA, 0, usd("5"))), windows=CLOSED))))

    assert found["ledger_quest_spend_usd"] == windowed("Alpha", d7=5, d30=5, all=5)


def test_what_is_withdrawn_of_the_cost_ledger_is_not_0_by_the_budget() -> None:
    """A budget read today cannot know what was charged today."""
    figures = budget_figures(budget={"Alpha": Decimal(10)})
    found = published(utilization.families(snapshot(cost=cost_figures(windows=CLOSED), budget=figures)))

    assert found["ledger_quest_spend_usd"] == windowed("Alpha", d7=0, d30=0, all=0)
