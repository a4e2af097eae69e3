"""The census counts exactly the series that the views publish."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from exporter import config_file, views
from exporter.config import Limits
from exporter.holding import LedgerHealth, Parts
from exporter.labelling.policy import LabelPolicy
from exporter.publishing import figures
from exporter.publishing.census import Census, Rules, exporter_series
from exporter.publishing.costliest import Costliest
from exporter.publishing.counters import LABELS, Counters
from exporter.publishing.snapshot import Reload, Snapshot
from tests.support.held_parts import parts
from tests.support.snapshots import SETTINGS

CONFIGURATION = """
sources: {main: {dsn: "host=h"}}
ledgers: {cost: {source: main}, impact: {source: main}, budget: {source: main}}
efficiency: {top: 2}
waste: {top: 2}
costly: {top: 2}
thresholds:
  overrides:
    quests:
      Twin: {waste_usd: {warning: null}}
      q2: {task_usd: {critical: null}}
    providers:
      B: {spike_ratio: {warning: null}}
"""
HEALTH = {
    "cost": LedgerHealth({"main": True}, progress=1.0, verified_age=5.0, duration_seconds=0.1, last_success=1.0),
    "impact": LedgerHealth({"main": False, "other": True}, progress=0.5),
    "budget": LedgerHealth({}),
}
"""Ledgers that are read, are not, and have never been."""
FEW = Limits(quests=2, models=1, providers=2, layers=1, combinations=2)


@given(
    several=st.lists(parts, min_size=1, max_size=3),
    limits=st.sampled_from([Limits(), FEW]),
    instant=st.sampled_from([None, 5.0]),
)
def test_it_counts_the_series_that_are_published(several: list[Parts], limits: Limits, instant: float | None) -> None:
    """Of any ledgers, whatever is loaded of them and however few labels are admitted; counters stay when ledgers go."""
    config = config_file.parse(CONFIGURATION)
    rules, policy, counters = Rules.of(config), LabelPolicy(limits), Counters(limits.combinations)
    settings, reload = replace(SETTINGS, thresholds=rules.thresholds), Reload(success=instant)
    for each in several:
        census = Census(
            each,
            rules,
            counters,
            lambda labeller, cost=each.cost: cost and counters.propose_part(cost, labeller),
            exporter_series(each, HEALTH, instant, reload),
        )
        labels = policy.decide(each, census)
        counters.take(census.proposal(labels)) if each.cost else None
        cost, impact, budget = each.cost, each.impact, each.budget
        snapshot = Snapshot(
            settings,
            HEALTH,
            labels.folds,
            instant,
            cost and figures.cost_figures(cost, each.windows(cost), labels.labeller, Costliest(2), counters.values),
            impact and figures.impact_figures(impact, each.windows(impact), labels.labeller, config),
            budget and figures.budget_figures(budget, each.windows(budget), labels.labeller),
            labels.quest_ids,
            {**labels.folded, ",".join(LABELS): counters.folded},
            reload,
        )

        assert labels.series == sum(len(family.samples) for family in views.families(snapshot))
