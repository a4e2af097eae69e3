"""Thresholds: defaults, what the configuration makes of them, and what it may not say."""

from __future__ import annotations

from decimal import Decimal

import pytest

from exporter import config_file
from exporter.errors import ConfigError
from exporter.thresholds import CATALOGUE, SEVERITIES, Thresholds, of_scope

SMALLEST = """
sources: {main: {dsn: "postgresql:///platform"}}
ledgers: {cost: {source: main}, impact: {source: main}, budget: {source: main}}
"""
USED = of_scope("quest")["budget_used_ratio"]
UNDERUSED = of_scope("quest")["underused_ratio"]


def configured(text: str) -> Thresholds:
    return config_file.parse(SMALLEST + text, "the-file").thresholds.resolved()


def refused(text: str) -> list[str]:
    with pytest.raises(ConfigError) as refusal:
        configured(text)
    return refusal.value.problems


def test_without_configuration_the_defaults_hold() -> None:
    assert configured("").levels(USED, "Tau", "tau-spread") == USED.defaults


def test_a_default_changes_one_level_and_leaves_the_others() -> None:
    levels = configured("thresholds: {quest: {budget_used_ratio: {warning: 0.8}}}").levels(USED, "Tau")

    assert levels == {**USED.defaults, "warning": Decimal("0.8")}


def test_an_override_counts_for_its_quest_alone() -> None:
    found = configured("thresholds: {overrides: {quests: {Tau: {budget_used_ratio: {warning: 0.8}}}}}")

    assert found.levels(USED, "Tau", "tau-spread")["warning"] == Decimal("0.8")
    assert found.levels(USED, "Atlas", "atlas") == USED.defaults


def test_an_override_by_id_wins_over_one_by_name() -> None:
    found = configured(
        "thresholds: {overrides: {quests: {"
        "tau-spread: {budget_used_ratio: {warning: 0.8}}, Tau: {budget_used_ratio: {warning: 0.85, info: 0.6}}}}}"
    )

    assert found.levels(USED, "Tau", "tau-spread") == {
        **USED.defaults, "info": Decimal("0.6"), "warning": Decimal("0.8"),
    }  # fmt: skip


def test_null_takes_a_level_away() -> None:
    levels = configured("thresholds: {quest: {budget_used_ratio: {notice: null}}}").levels(USED, "Tau")

    assert levels.keys() == {"info", "warning", "critical"}


def test_every_problem_is_reported_with_its_place() -> None:
    assert refused("""
thresholds:
  quest:
    budget_used_ratio: {warning: 1}
    budget_used: {warning: 1}
    task_usd: {warning: 5}
  overrides:
    quests:
      tau-spread: {budget_used_ratio: {critical: 0.9}}
    layers:
      Map: {waste_usd: {warning: 1}}
""") == [
        "the-file:7: thresholds.quest.budget_used_ratio: warning (1) must be below critical (1)",
        "the-file:8: thresholds.quest.budget_used: is not a known key; allowed here: " + ", ".join(of_scope("quest")),
        "the-file:9: thresholds.quest.task_usd.warning: is not a known key; allowed here: critical",
        "the-file:12: thresholds.overrides.quests.tau-spread.budget_used_ratio: warning (1) must be below critical (0.9)",
        "the-file:14: thresholds.overrides.layers.Map.waste_usd: is not a known key; allowed here: waste_ratio, waste_min_usd",
    ]


def test_an_override_is_judged_together_with_the_defaults() -> None:
    """Neither alone says anything wrong."""
    found = refused(
        "thresholds: {quest: {budget_used_ratio: {warning: 0.95}},"
        " overrides: {quests: {Tau: {budget_used_ratio: {info: 0.96}}}}}"
    )

    assert [problem.split(": ", 2)[2] for problem in found] == ["info (0.96) must be below warning (0.95)"]


@pytest.mark.parametrize("level", ["-1", "high", ".nan", ".inf", "true"])
def test_a_level_is_a_number_of_0_or_more(level: str) -> None:
    (problem,) = refused(f"thresholds: {{quest: {{task_usd: {{critical: {level}}}}}}}")

    assert problem.startswith("the-file:4: thresholds.quest.task_usd.critical: must be ")


def test_unknown_scopes_are_refused() -> None:
    (problem,) = refused("thresholds: {quests: {}}")

    assert problem == (
        "the-file:4: thresholds.quests: is not a known key; allowed here: quest, provider, layer, platform, overrides"
    )


@pytest.mark.parametrize("threshold", CATALOGUE, ids=lambda threshold: threshold.metric)
def test_each_default_is_in_order(threshold: object) -> None:
    assert list(Thresholds().problems()) == []


def test_a_falling_threshold_is_crossed_from_above() -> None:
    """Used less is worse, so a severer level would have to be lower."""
    assert UNDERUSED.falling
    assert not USED.falling


def test_names_say_scope_and_unit() -> None:
    units = ("_ratio", "_usd", "_seconds", "_outcomes", "_per_hour")

    assert [threshold.name for threshold in CATALOGUE if not threshold.name.endswith(units)] == []
    assert len({threshold.metric for threshold in CATALOGUE}) == len(CATALOGUE)
    assert {severity for threshold in CATALOGUE for severity in threshold.defaults} <= set(SEVERITIES)
