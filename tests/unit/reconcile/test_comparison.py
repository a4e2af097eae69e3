"""Equal, moving, different: what a figure is, and when that is settled."""

from __future__ import annotations

import math

import pytest

from exporter.reconcile.comparison import Comparison, Verdict, total

KEY = ("ledger_quest_spend_usd", frozenset({("quest", "x"), ("window", "7d")}))
OTHER = ("ledger_charged_tasks", frozenset({("window", "7d")}))
EQUAL, MOVING, DIFFERENT = Verdict.EQUAL, Verdict.MOVING, Verdict.DIFFERENT


def verdict(before: float | None, after: float | None, oracle: float | None) -> Verdict:
    before_, after_, oracle_ = [{} if value is None else {KEY: value} for value in (before, after, oracle)]
    return Comparison.between("it", before_, after_, oracle_).figures[KEY].verdict


@pytest.mark.parametrize(
    ("before", "after", "oracle", "expected"),
    [
        (1.0, 1.0, 1.0, EQUAL),
        (1.0, 2.0, 1.0, EQUAL),
        (1.0, 2.0, 2.0, EQUAL),
        (None, 2.0, 2.0, EQUAL),
        (None, 2.0, None, EQUAL),
        (math.nan, math.nan, math.nan, EQUAL),
        (math.inf, math.inf, math.inf, EQUAL),
        (1.0, 3.0, 2.0, MOVING),
        (None, 3.0, 2.0, MOVING),
        (1.0, None, 2.0, MOVING),
        (1.0, 1.0, 2.0, DIFFERENT),
        (1.0, 1.0, None, DIFFERENT),
        (None, None, 1.0, DIFFERENT),
        (1.0, 1.0, math.nextafter(1.0, 2.0), DIFFERENT),
        (math.nan, math.nan, 1.0, DIFFERENT),
        (0.0, 0.0, None, DIFFERENT),
    ],
)
def test_a_figure_is_equal_to_the_last_bit_or_moving_or_different(
    before: float | None, after: float | None, oracle: float | None, expected: Verdict
) -> None:
    """And 0 is not the same as not published."""
    assert verdict(before, after, oracle) is expected


def test_figures_are_counted_by_view_in_their_order() -> None:
    figures = {OTHER: 1.0, KEY: 1.0, ("spend.usd", frozenset()): 1.0}
    comparison = Comparison.between("it", figures, figures, {**figures, KEY: 2.0})

    assert list(comparison.by_view()) == ["utilization", "providers", "exact sums"]
    assert comparison.by_view()["utilization"] == {DIFFERENT: 1}
    assert total([comparison, comparison]) == {EQUAL: 4, DIFFERENT: 2}
