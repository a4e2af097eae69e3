"""Waste: which tasks burnt tokens and produced nothing?"""

from __future__ import annotations

from collections.abc import Iterator

from exporter.publishing.snapshot import CostFigures, ImpactFigures, Snapshot
from exporter.views.metric import Family, Metric

_DEFINITION = (
    "outcomes with more than ledger_waste_min_tokens tokens and an impact of at most ledger_waste_max_impact, or none"
)

USD = Metric(
    "ledger_waste_usd",
    f"Cost of waste in US dollars: {_DEFINITION}; reason pending is not settled yet, by window.",
    ("quest", "layer", "reason", "window"),
)
TOKENS = Metric(
    "ledger_waste_tokens", f"Tokens of waste: {_DEFINITION}, by window.", ("quest", "layer", "reason", "window")
)
OUTCOMES = Metric(
    "ledger_waste_outcomes",
    f"Number of wasted outcomes: {_DEFINITION}, by window.",
    ("quest", "layer", "reason", "window"),
)
TASK_TOKENS = Metric(
    "ledger_wasted_task_tokens",
    "Tokens of the worst wasted tasks of the last 30 days, each by its heaviest outcome.",
    ("task", "quest", "layer", "reason", "title"),
)
TASK_USD = Metric(
    "ledger_wasted_task_usd",
    "Cost in US dollars of the worst wasted tasks of the last 30 days.",
    ("task", "quest", "layer", "reason"),
)
TASK_IMPACT = Metric(
    "ledger_wasted_task_impact_score",
    "Impact score of the worst wasted tasks of the last 30 days; absent while unscored.",
    ("task", "quest", "layer", "reason"),
)
COSTLY_USD = Metric(
    "ledger_costly_task_usd",
    "Charges in US dollars of today's and yesterday's costliest tasks, finished or not, from the cost ledger.",
    ("task", "quest"),
)
COSTLY_TOKENS = Metric(
    "ledger_costly_task_tokens",
    "Tokens, input and output, of today's and yesterday's costliest tasks, from the cost ledger.",
    ("task", "quest"),
)
MIN_TOKENS = Metric("ledger_waste_min_tokens", "An outcome is waste only above this number of tokens, as configured.")
MAX_IMPACT = Metric("ledger_waste_max_impact", "An outcome is waste only up to this impact score, as configured.")

METRICS = (
    USD,
    TOKENS,
    OUTCOMES,
    TASK_TOKENS,
    TASK_USD,
    TASK_IMPACT,
    COSTLY_USD,
    COSTLY_TOKENS,
    MIN_TOKENS,
    MAX_IMPACT,
)


def families(snapshot: Snapshot) -> Iterator[Family]:
    """Yield the families of this view."""
    if snapshot.impact is not None:
        yield from _waste(snapshot, snapshot.impact)
        yield from _worst_tasks(snapshot.impact)
    if snapshot.cost is not None:
        yield from _costly_tasks(snapshot.cost)
    min_tokens, max_impact = MIN_TOKENS.family(), MAX_IMPACT.family()
    min_tokens.add((), snapshot.settings.waste_min_tokens)
    max_impact.add((), snapshot.settings.waste_max_impact)
    yield from (min_tokens, max_impact)


def _waste(snapshot: Snapshot, figures: ImpactFigures) -> Iterator[Family]:
    usd, tokens, outcomes = USD.family(), TOKENS.family(), OUTCOMES.family()
    table = snapshot.folds.combine(figures.waste, "quest", "layer", "reason")
    for key, window, waste in table.windows(figures.windows):
        usd.add((*key, window), waste.usd)
        tokens.add((*key, window), waste.tokens)
        outcomes.add((*key, window), waste.outcomes)
    yield from (usd, tokens, outcomes)


def _worst_tasks(figures: ImpactFigures) -> Iterator[Family]:
    tokens, usd, impact = TASK_TOKENS.family(), TASK_USD.family(), TASK_IMPACT.family()
    for task in figures.wasted:
        labels = (task.task, task.quest, task.layer, task.reason)
        tokens.add((*labels, task.title), task.tokens)
        usd.add(labels, task.usd)
        if task.impact is not None:
            impact.add(labels, task.impact)
    yield from (tokens, usd, impact)


def _costly_tasks(figures: CostFigures) -> Iterator[Family]:
    if figures.task_spend is None:
        return
    usd, tokens = COSTLY_USD.family(), COSTLY_TOKENS.family()
    for key, spend in figures.task_spend:
        usd.add(key, spend.usd)
        tokens.add(key, spend.tokens_in + spend.tokens_out)
    yield from (usd, tokens)
