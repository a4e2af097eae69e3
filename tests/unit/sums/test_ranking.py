"""The rankings: in exact order, and each task once."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.sums import TaskOutcome, ranked

BEST = TaskOutcome("t", "t", None, "x", "Atlas", Decimal(1), Decimal(3), 5, 7)
WASTED = replace(BEST, impact=None, reason="unscored")

# Few values, so that ties are many; two costs whose ratios only exact arithmetic tells apart.
impacts = st.sampled_from([Decimal(1), Decimal(3), Decimal("1e308"), Decimal("1e-300")])
costs = st.sampled_from([Decimal(1), Decimal(3), Decimal("3.0000000000000000001"), Decimal("1e-20")])
tasks = st.sampled_from(["a", "b", "é", "\U0001f680", "\uffff"])


@st.composite
def outcomes(draw: st.DrawFn, reason: str) -> TaskOutcome:
    task = draw(tasks)
    return TaskOutcome(
        task=task,
        label=draw(st.sampled_from([task, "a"])),
        title=None,
        quest="x",
        layer=None,
        impact=draw(impacts),
        usd=draw(costs),
        tokens=draw(st.integers(0, 3)),
        instant=draw(st.integers(0, 3)),
        reason=reason,
    )


def naive(found: list[TaskOutcome], top: int) -> list[TaskOutcome]:
    """Sorted as the definition says, then each label's first."""

    def order(outcome: TaskOutcome) -> tuple[object, ...]:
        assert outcome.impact is not None
        ties = outcome.task.encode(), -outcome.instant, -Fraction(outcome.usd)
        if outcome.reason:
            return -outcome.tokens, *ties
        return -Fraction(outcome.impact) / Fraction(outcome.usd), *ties, outcome.tokens

    chosen: dict[str, TaskOutcome] = {}
    for outcome in sorted(found, key=order):
        chosen.setdefault(outcome.label, outcome)
    return sorted(chosen.values(), key=order)[:top]


@given(st.sampled_from(["", "unscored"]).flatmap(lambda reason: st.lists(outcomes(reason), max_size=12)), st.data())
def test_a_ranking_is_the_sorted_list_of_each_tasks_first(found: list[TaskOutcome], data: st.DataObject) -> None:
    top = data.draw(st.integers(1, 6))
    shuffled = data.draw(st.permutations(found))

    assert [outcome.rank for outcome in ranked(shuffled, top)] == [outcome.rank for outcome in naive(found, top)]


@given(st.lists(outcomes(""), max_size=12), st.integers(0, 12), st.integers(1, 6))
def test_a_ranking_of_rankings_is_the_ranking_of_all(found: list[TaskOutcome], cut: int, top: int) -> None:
    """So that a part needs to hold its first ones only."""
    parts = (*ranked(found[:cut], top), *ranked(found[cut:], top))

    assert [one.rank for one in ranked(parts, top)] == [one.rank for one in ranked(found, top)]


def test_ratios_that_are_one_float_are_told_apart() -> None:
    better = replace(BEST, task="z", label="z", usd=Decimal("2.99999999999999999999"))

    assert float(better.impact_per_usd) == float(BEST.impact_per_usd)
    assert ranked([BEST, better], 2) == (better, BEST)


def test_a_ratio_beyond_floats_is_the_best() -> None:
    beyond = replace(BEST, label="z", impact=Decimal("1e308"), usd=Decimal("1e-20"))

    assert ranked([BEST, beyond], 1) == (beyond,)


def test_ties_go_to_the_smaller_task_bytewise() -> None:
    """By UTF-8, as PostgreSQL's C collation has it, not by UTF-16."""
    small, large = (replace(BEST, task=task, label=task) for task in ("\uffff", "\U0001f680"))

    assert ranked([large, small], 2) == (small, large)


def test_waste_is_ranked_by_tokens_whatever_it_cost() -> None:
    heavier = replace(WASTED, task="z", label="z", tokens=6, usd=Decimal(0))

    assert ranked([WASTED, heavier], 2) == (heavier, WASTED)


def test_an_unscored_outcome_has_no_impact_per_dollar() -> None:
    with pytest.raises(ValueError, match="unscored"):
        _ = WASTED.impact_per_usd
