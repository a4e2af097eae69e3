"""Allocation: which quests hold today's budget?"""

from __future__ import annotations

from decimal import Decimal

from exporter import views
from exporter.sums import Allocation, day_seconds
from exporter.views import allocation
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


def rows(dollars: str, recorded: str | None = None) -> Allocation:
    if recorded is None:
        return Allocation(Decimal(dollars), rows=1)
    return Allocation(Decimal(dollars), Decimal(recorded), 1, 1)


def test_the_budget_is_published_by_quest_with_its_day() -> None:
    figures = budget_figures(budget={"Alpha": Decimal("12.50"), "other": Decimal(0)}, budget_day=TODAY - 1)
    found = published(allocation.families(snapshot(budget=figures)))

    assert found == {
        "ledger_quest_budget_usd": {("Alpha",): 12.5, ("other",): 0.0},
        "ledger_budget_day_timestamp_seconds": {(): day_seconds(TODAY - 1)},
    }


def test_allocations_add_up_by_window() -> None:
    table = allocations(
        ("Alpha", 0, rows("1")), ("Alpha", 1, rows("2")), ("Alpha", 8, rows("4")), ("Alpha", 30, rows("8"))
    )
    found = published(allocation.families(snapshot(budget=budget_figures(table))))

    assert found["ledger_quest_allocated_usd"] == windowed("Alpha", today=1, yesterday=2, d7=3, d30=7, all=15)


def test_a_quest_without_an_allocation_has_no_budget() -> None:
    """Unknown is not zero: it is absent."""
    figures = cost_figures(spend((("A", "m", "Alpha"), 0, usd("1"))))

    assert published(allocation.families(snapshot(cost=figures, budget=budget_figures()))) == {}


def test_a_budget_ledger_read_yesterday_has_no_today() -> None:
    figures = budget_figures(allocations(("Alpha", 0, rows("1"))), windows=CLOSED)
    found = published(allocation.families(snapshot(budget=figures)))

    assert found["ledger_quest_allocated_usd"] == windowed("Alpha", d7=1, d30=1, all=1)


def test_without_the_ledger_there_is_nothing() -> None:
    assert list(allocation.families(snapshot())) == []


def test_every_published_quest_has_its_id() -> None:
    """Whichever view publishes it; what stands for several quests, or none, has an empty one."""
    figures = cost_figures(
        spend(
            (("A", "m", "Alpha"), 0, usd("1")),
            (("A", "m", "other"), 0, usd("1")),
            (("A", "m", "unknown"), 0, usd("1")),
        )
    )
    ids = {"Alpha": "q-\n1", "Never published": "q-2"}
    found = published(views.families(snapshot(cost=figures, quest_ids=ids)))

    assert found["ledger_quest_info"] == {("Alpha", "q- 1"): 1.0, ("other", ""): 1.0, ("unknown", ""): 1.0}


def test_without_quests_there_are_no_ids() -> None:
    assert "ledger_quest_info" not in published(views.families(snapshot()))
