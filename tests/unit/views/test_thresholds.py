"""Thresholds: an effective value for everything that is published, and for nothing else."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

from exporter import views
from exporter.publishing.snapshot import Snapshot
from exporter.thresholds import CATALOGUE, Thresholds, of_scope
from exporter.views import thresholds
from tests.support.snapshots import SETTINGS, folds


def snapshot(configured: Thresholds) -> Snapshot:
    return Snapshot(replace(SETTINGS, thresholds=configured), {}, folds(), quest_ids={"Tau": "tau-spread"})


def published(made: Snapshot, *labels: tuple[str, str]) -> dict[str, dict[tuple[str, ...], float]]:
    """The samples by metric, where these label values are published already."""
    given = []
    for label, value in labels:
        family = views.Metric("ledger_given", "Given.", (label,)).family()
        family.add((value,), 1)
        given.append(family)
    return {family.name: family.samples for family in thresholds.families(made, given)}


def test_before_anything_is_known_only_the_platform_has_thresholds() -> None:
    found = published(snapshot(Thresholds()))

    assert found.keys() == {threshold.metric for threshold in of_scope("platform").values()}
    assert found["ledger_threshold_platform_silence_seconds"] == {("warning",): 1800.0}


def test_every_published_quest_provider_and_layer_has_all_of_its_thresholds() -> None:
    found = published(
        snapshot(Thresholds()), ("quest", "Tau"), ("quest", "other"), ("provider", "GLM"), ("layer", "Forge")
    )

    assert found.keys() == {threshold.metric for threshold in CATALOGUE}
    assert found["ledger_threshold_quest_budget_used_ratio"] == {
        (quest, severity): level
        for quest in ("Tau", "other")
        for severity, level in (("notice", 0.5), ("info", 0.75), ("warning", 0.9), ("critical", 1.0))
    }
    assert found["ledger_threshold_provider_spike_ratio"] == {("GLM", "warning"): 4.0}
    assert found["ledger_threshold_layer_waste_ratio"] == {("Forge", "warning"): 0.3}


def test_a_quest_may_be_named_by_its_id() -> None:
    made = snapshot(Thresholds({}, {"quest": {"tau-spread": {"task_usd": {"critical": Decimal(25)}}}}))

    assert published(made, ("quest", "Tau"))["ledger_threshold_quest_task_usd"] == {("Tau", "critical"): 25.0}


def test_a_level_taken_away_is_not_published() -> None:
    made = snapshot(Thresholds({"quest": {"task_usd": {"critical": None}}}))

    assert "ledger_threshold_quest_task_usd" not in published(made, ("quest", "Tau"))
