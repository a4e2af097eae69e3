"""Efficiency: which tasks, quests and layers give the most impact per dollar?"""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction

from exporter.publishing.snapshot import RankedTask
from exporter.sums import Outcomes
from exporter.views import efficiency
from tests.support.snapshots import CLOSED, folds, impact_figures, outcomes, published, snapshot, windowed

X = ("x", "Atlas")


def settled(impact: str, dollars: str, number: int = 1) -> Outcomes:
    return Outcomes(Decimal(impact), Decimal(dollars), number)


def pending(dollars: str, number: int = 1) -> Outcomes:
    return Outcomes(pending_usd=Decimal(dollars), pending=number)


def best(task: str, impact: str, dollars: str) -> RankedTask:
    return RankedTask(
        task, "x", "Atlas", "A title", Decimal(impact), Decimal(dollars), 1234, Fraction(impact) / Fraction(dollars)
    )


def test_settled_outcomes_add_up_by_quest_layer_and_window() -> None:
    figures = impact_figures(outcomes((X, 0, settled("3", "1.5", 2)), (X, 1, settled("1", "0.5"))))
    found = published(efficiency.families(snapshot(impact=figures)))

    assert found["ledger_impact_score"] == windowed(*X, today=3, yesterday=1, d7=4, d30=4, all=4)
    assert found["ledger_impact_cost_usd"] == windowed(*X, today=1.5, yesterday=0.5, d7=2, d30=2, all=2)
    assert found["ledger_impact_outcomes"] == windowed(*X, today=2, yesterday=1, d7=3, d30=3, all=3)


def test_pending_outcomes_stand_apart() -> None:
    figures = impact_figures(outcomes((X, 0, pending("2", 3)), (X, 1, pending("1"))))
    found = published(efficiency.families(snapshot(impact=figures)))

    assert found["ledger_pending_cost_usd"] == {X: 3.0}
    assert found["ledger_pending_outcomes"] == {X: 4.0}
    assert found["ledger_impact_outcomes"] == windowed(*X, today=0, yesterday=0, d7=0, d30=0, all=0)


def test_nothing_pending_is_a_known_0() -> None:
    found = published(efficiency.families(snapshot(impact=impact_figures(outcomes((X, 29, settled("1", "1")))))))

    assert found["ledger_pending_outcomes"] == {X: 0.0}


def test_old_combinations_are_pending_only_while_something_is() -> None:
    table = outcomes((X, 30, settled("1", "1")), (("y", "Forge"), 31, pending("2")))
    found = published(efficiency.families(snapshot(impact=impact_figures(table))))

    assert found["ledger_pending_outcomes"] == {("y", "Forge"): 1.0}


def test_impact_per_dollar_is_a_ratio_of_sums() -> None:
    """Failures included: never a mean of ratios, which one lucky cheap task would bend."""
    table = outcomes(
        (X, 0, settled("9", "1")), (("x", "Forge"), 0, settled("0", "8")), (("y", "Forge"), 0, settled("1", "1"))
    )
    found = published(efficiency.families(snapshot(impact=impact_figures(table))))

    assert found["ledger_quest_impact_per_usd"]["x", "today"] == 1.0
    assert found["ledger_layer_impact_per_usd"]["Forge", "today"] == 1 / 9


def test_impact_per_dollar_is_absent_where_the_cost_is_not_above_0() -> None:
    table = outcomes((X, 0, settled("5", "0")), (X, 1, settled("5", "-1")), (X, 2, settled("2", "5")))
    found = published(efficiency.families(snapshot(impact=impact_figures(table))))

    assert found["ledger_quest_impact_per_usd"] == windowed("x", d7=3, d30=3, all=3)
    assert found["ledger_layer_impact_per_usd"] == windowed("Atlas", d7=3, d30=3, all=3)


def test_folded_combinations_keep_their_layer_and_bend_no_ratio() -> None:
    table = outcomes((X, 0, settled("1", "1")), (("y", "Atlas"), 0, settled("2", "1")))
    found = published(efficiency.families(snapshot(impact=impact_figures(table), folds=folds(quest__layer=[X]))))

    assert found["ledger_impact_score"]["other", "Atlas", "today"] == 2.0
    assert found["ledger_quest_impact_per_usd"]["y", "today"] == 2.0


def test_the_best_tasks_are_published_with_what_made_them_so() -> None:
    found = published(efficiency.families(snapshot(impact=impact_figures(best=(best("t-1", "1", "3"),)))))

    assert found == {
        "ledger_best_task_impact_per_usd": {("t-1", *X, "A title"): 1 / 3},
        "ledger_best_task_impact_score": {("t-1", *X): 1.0},
        "ledger_best_task_cost_usd": {("t-1", *X): 3.0},
        "ledger_best_task_tokens": {("t-1", *X): 1234.0},
    }


def test_a_ledger_read_yesterday_has_no_today() -> None:
    figures = impact_figures(outcomes((X, 0, settled("1", "1"))), windows=CLOSED)
    found = published(efficiency.families(snapshot(impact=figures)))

    assert found["ledger_impact_score"] == windowed(*X, d7=1, d30=1, all=1)


def test_without_the_ledger_there_is_nothing() -> None:
    assert list(efficiency.families(snapshot())) == []
