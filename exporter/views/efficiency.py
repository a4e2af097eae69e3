"""Efficiency: which tasks, quests and layers give the most impact per dollar?"""

from __future__ import annotations

from collections.abc import Iterator

from exporter.publishing.snapshot import ImpactFigures, Snapshot
from exporter.views.metric import Family, Metric

IMPACT = Metric(
    "ledger_impact_score",
    "Sum of the impact scores of settled outcomes, failures included, by window.",
    ("quest", "layer", "window"),
)
COST = Metric(
    "ledger_impact_cost_usd",
    "Cost of settled outcomes in US dollars, from the impact ledger, by window.",
    ("quest", "layer", "window"),
)
OUTCOMES = Metric(
    "ledger_impact_outcomes",
    "Number of settled outcomes: scored, or unscored and older than the grace period, by window.",
    ("quest", "layer", "window"),
)
PENDING_COST = Metric(
    "ledger_pending_cost_usd",
    "Cost of pending outcomes in US dollars: unscored and younger than the grace period.",
    ("quest", "layer"),
)
PENDING = Metric(
    "ledger_pending_outcomes",
    "Number of pending outcomes: unscored and younger than the grace period.",
    ("quest", "layer"),
)
QUEST_RATIO = Metric(
    "ledger_quest_impact_per_usd",
    "Impact per US dollar of a quest: sum of impact over sum of cost of its settled outcomes, by window.",
    ("quest", "window"),
)
LAYER_RATIO = Metric(
    "ledger_layer_impact_per_usd",
    "Impact per US dollar of a layer: sum of impact over sum of cost of its settled outcomes, by window.",
    ("layer", "window"),
)
BEST_RATIO = Metric(
    "ledger_best_task_impact_per_usd",
    "Impact per US dollar of the best tasks of the last 30 days, each by its best outcome.",
    ("task", "quest", "layer", "title"),
)
BEST_IMPACT = Metric(
    "ledger_best_task_impact_score",
    "Impact score of the best tasks of the last 30 days.",
    ("task", "quest", "layer"),
)
BEST_COST = Metric(
    "ledger_best_task_cost_usd",
    "Cost in US dollars of the best tasks of the last 30 days.",
    ("task", "quest", "layer"),
)
BEST_TOKENS = Metric(
    "ledger_best_task_tokens",
    "Tokens of the best tasks of the last 30 days.",
    ("task", "quest", "layer"),
)

METRICS = (
    IMPACT,
    COST,
    OUTCOMES,
    PENDING_COST,
    PENDING,
    QUEST_RATIO,
    LAYER_RATIO,
    BEST_RATIO,
    BEST_IMPACT,
    BEST_COST,
    BEST_TOKENS,
)


def families(snapshot: Snapshot) -> Iterator[Family]:
    """Yield the families of this view."""
    figures = snapshot.impact
    if figures is None:
        return
    yield from _outcomes(snapshot, figures)
    if "all" in figures.windows:
        yield from _pending(snapshot, figures)
    yield from _ratios(figures)
    yield from _best_tasks(figures)


def _outcomes(snapshot: Snapshot, figures: ImpactFigures) -> Iterator[Family]:
    impact, cost, outcomes = IMPACT.family(), COST.family(), OUTCOMES.family()
    for key, window, sums in snapshot.folds.combine(figures.outcomes, "quest", "layer").windows(figures.windows):
        impact.add((*key, window), sums.impact)
        cost.add((*key, window), sums.usd)
        outcomes.add((*key, window), sums.settled)
    yield from (impact, cost, outcomes)


def _pending(snapshot: Snapshot, figures: ImpactFigures) -> Iterator[Family]:
    cost, outcomes = PENDING_COST.family(), PENDING.family()
    table = snapshot.folds.combine(figures.outcomes, "quest", "layer")
    for key in table.present():
        sums = table.window(key, "all")
        if table.is_recent(key) or sums.pending:
            cost.add(key, sums.pending_usd)
            outcomes.add(key, sums.pending)
    yield from (cost, outcomes)


def _ratios(figures: ImpactFigures) -> Iterator[Family]:
    for metric in (QUEST_RATIO, LAYER_RATIO):
        family = metric.family()
        for key, window, sums in figures.outcomes.by(metric.labels[0]).windows(figures.windows):
            ratio = sums.impact_per_usd
            if ratio is not None:
                family.add((*key, window), ratio)
        yield family


def _best_tasks(figures: ImpactFigures) -> Iterator[Family]:
    ratio, impact, cost, tokens = BEST_RATIO.family(), BEST_IMPACT.family(), BEST_COST.family(), BEST_TOKENS.family()
    for task in figures.best:
        labels = (task.task, task.quest, task.layer)
        if task.impact is not None and task.impact_per_usd is not None:
            ratio.add((*labels, task.title), task.impact_per_usd)
            impact.add(labels, task.impact)
            cost.add(labels, task.usd)
            tokens.add(labels, task.tokens)
    yield from (ratio, impact, cost, tokens)
