"""The guard where families are built: nothing that would break the exposition gets in."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction

import pytest

from exporter.errors import FamilyError
from exporter.views.metric import Metric, Value

GAUGE = Metric("ledger_quest_spend_usd", "Spend in US dollars.", ("quest", "window"))


@pytest.mark.parametrize("labels", [("x",), ("x", "today", "more"), ()])
def test_the_number_of_labels_must_be_right(labels: tuple[str, ...]) -> None:
    """The client library would cut them, or leave some out, and say nothing."""
    with pytest.raises(FamilyError, match=r"takes the labels \('quest', 'window'\)"):
        GAUGE.family().add(labels, 1)


def test_no_label_may_be_none() -> None:
    """It would fail at the scrape, with everything else."""
    with pytest.raises(FamilyError, match="None"):
        GAUGE.family().add((None, "today"), 1)


def test_two_labels_of_which_one_is_none_are_not_one() -> None:
    with pytest.raises(FamilyError):
        Metric("ledger_x", "X.", ("quest",)).family().add(("x", None), 1)


def test_no_label_set_may_come_twice() -> None:
    """Prometheus would refuse the whole scrape."""
    family = GAUGE.family()
    family.add(("x", "today"), 1)

    with pytest.raises(FamilyError, match="two samples"):
        family.add(("x", "today"), 1)


def test_a_refused_sample_leaves_no_trace() -> None:
    family = GAUGE.family()
    with pytest.raises(FamilyError):
        family.add(("x",), 1)

    assert family.samples == {}


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (Decimal("0.1"), 0.1),
        (Decimal(9007199254740993), 9007199254740992.0),
        (Fraction(1, 3), 1 / 3),
        (7, 7.0),
        (True, 1.0),
    ],
)
def test_an_exact_value_becomes_the_nearest_float(value: Value, expected: float) -> None:
    family = GAUGE.family()
    family.add(("x", "today"), value)

    assert family.samples == {("x", "today"): expected}
    assert isinstance(family.samples["x", "today"], float)


@pytest.mark.parametrize("value", [Fraction(10) ** 400, Decimal(10) ** 400, 10**400])
def test_a_value_beyond_floats_is_infinite_and_fails_nothing(value: Value) -> None:
    family = GAUGE.family()
    family.add(("x", "today"), value)
    family.add(("y", "today"), -value)

    assert family.samples == {("x", "today"): float("inf"), ("y", "today"): float("-inf")}


def test_every_family_is_new() -> None:
    """What one refresh published can neither linger in nor change another's."""
    GAUGE.family().add(("x", "today"), 1)

    assert GAUGE.family().samples == {}


@pytest.mark.parametrize(("name", "kind"), [("ledger_spend_usd_total", "counter"), ("ledger_spend_usd", "gauge")])
def test_a_counter_is_named_by_its_ending(name: str, kind: str) -> None:
    assert Metric(name, "X.").kind == kind
