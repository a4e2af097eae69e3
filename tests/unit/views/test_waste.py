"""Waste: which tasks burnt tokens and produced nothing?"""

from __future__ import annotations

from decimal import Decimal

from exporter.publishing.snapshot import RankedTask
from exporter.sums import Waste
from exporter.views import waste as view
from tests.support.snapshots import (
    CLOSED,
    cost_figures,
    folds,
    impact_figures,
    published,
    snapshot,
    usd,
    waste,
    windowed,
)

X = ("x", "Atlas", "unscored")
SETTINGS = {"ledger_waste_min_tokens": {(): 1000.0}, "ledger_waste_max_impact": {(): 0.5}}


def burnt(dollars: str, tokens: int = 2000, number: int = 1) -> Waste:
    return Waste(Decimal(dollars), tokens, number)


def worst(task: str, impact: str | None, reason: str) -> RankedTask:
    scored = None if impact is None else Decimal(impact)
    return RankedTask(task, "x", "Atlas", "A title", scored, Decimal("1.25"), 5000, reason=reason)


def test_waste_adds_up_by_quest_layer_reason_and_window() -> None:
    table = waste((X, 0, burnt("1", 2000, 2)), (X, 1, burnt("0.5")), (("x", "Atlas", "pending"), 0, burnt("4")))
    found = published(view.families(snapshot(impact=impact_figures(waste=table))))

    assert found["ledger_waste_usd"] == {
        **windowed(*X, today=1, yesterday=0.5, d7=1.5, d30=1.5, all=1.5),
        **windowed("x", "Atlas", "pending", today=4, yesterday=0, d7=4, d30=4, all=4),
    }
    assert found["ledger_waste_tokens"][*X, "7d"] == 4000
    assert found["ledger_waste_outcomes"][*X, "7d"] == 3


def test_folded_combinations_keep_layer_and_reason() -> None:
    table = waste(
        (X, 0, burnt("1")), (("y", "Atlas", "unscored"), 0, burnt("2")), (("z", "Atlas", "pending"), 0, burnt("4"))
    )
    kept = folds(quest__layer=[("x", "Atlas")])
    found = published(view.families(snapshot(impact=impact_figures(waste=table), folds=kept)))

    assert {labels[:3]: value for labels, value in found["ledger_waste_usd"].items() if labels[3] == "today"} == {
        X: 1.0, ("other", "Atlas", "unscored"): 2.0, ("other", "Atlas", "pending"): 4.0,
    }  # fmt: skip


def test_the_worst_tasks_are_published_with_tokens_cost_and_impact() -> None:
    figures = impact_figures(wasted=(worst("t-1", "0.25", "low_impact"), worst("t-2", "0", "low_impact")))
    found = published(view.families(snapshot(impact=figures)))

    assert found == SETTINGS | {
        "ledger_wasted_task_tokens": {(task, "x", "Atlas", "low_impact", "A title"): 5000.0 for task in ("t-1", "t-2")},
        "ledger_wasted_task_usd": {(task, "x", "Atlas", "low_impact"): 1.25 for task in ("t-1", "t-2")},
        "ledger_wasted_task_impact_score": {
            ("t-1", "x", "Atlas", "low_impact"): 0.25,
            ("t-2", "x", "Atlas", "low_impact"): 0.0,
        },
    }


def test_an_unscored_task_has_no_impact() -> None:
    """Not 0: nobody has judged it."""
    found = published(view.families(snapshot(impact=impact_figures(wasted=(worst("t-1", None, "unscored"),)))))

    assert "ledger_wasted_task_usd" in found
    assert "ledger_wasted_task_impact_score" not in found


def test_the_costliest_tasks_have_dollars_and_all_their_tokens() -> None:
    found = published(view.families(snapshot(cost=cost_figures(task_spend=((("t-1", "x"), usd("7.5", 10, 20)),)))))

    assert found == SETTINGS | {
        "ledger_costly_task_usd": {("t-1", "x"): 7.5},
        "ledger_costly_task_tokens": {("t-1", "x"): 30.0},
    }


def test_costly_tasks_that_are_not_known_are_absent() -> None:
    assert published(view.families(snapshot(cost=cost_figures(task_spend=None)))) == SETTINGS


def test_a_ledger_read_yesterday_has_no_today() -> None:
    figures = impact_figures(waste=waste((X, 0, burnt("1"))), windows=CLOSED)

    assert published(view.families(snapshot(impact=figures)))["ledger_waste_usd"] == windowed(*X, d7=1, d30=1, all=1)


def test_what_counts_as_waste_is_published_also_without_ledgers() -> None:
    assert published(view.families(snapshot())) == SETTINGS
