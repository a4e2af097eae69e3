"""From merged parts to published figures, under the labels that were decided."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

from exporter.config import Config
from exporter.labelling.labels import Labeller
from exporter.names.text import clean_title
from exporter.publishing.costliest import Costliest
from exporter.publishing.snapshot import BudgetFigures, CostFigures, ImpactFigures, RankedTask
from exporter.sums import (
    EXACT,
    WINDOWS,
    ZERO,
    BudgetPart,
    CostPart,
    ImpactPart,
    Key,
    Spend,
    TaskOutcome,
    ranked,
)
from exporter.sums.tasks import everyone

_NO_TASKS = (0,) * len(WINDOWS)


def cost_figures(
    part: CostPart, windows: tuple[str, ...], labels: Labeller, costliest: Costliest, counters: Mapping[Key, Spend]
) -> CostFigures:
    """Return what is published of the cost ledger."""
    first_seen: dict[Key, int] = {}
    for (provider, model), instant in part.first_seen.items() if "all" in windows else ():
        key = (labels.provider(provider), labels.model(model))
        first_seen[key] = min(instant, first_seen.get(key, instant))
    task_spend = None
    if part.task_spend is not None and "yesterday" in windows:
        task_spend = costliest.of(part.task_spend, part.newest_task_spend, labels.task)
    return CostFigures(
        today=part.today,
        windows=windows,
        rejected=part.rejected,
        newest=part.newest,
        spend=part.spend.regroup(part.spend.labels, labels.charge),
        first_seen=first_seen,
        tasks=None if part.tasks is None else part.tasks.counts(labels.provider),
        all_tasks=_NO_TASKS if part.tasks is None else part.tasks.counts(everyone).get("", _NO_TASKS),
        task_spend=task_spend,
        counters=counters,
        has_tokens_out=part.has_tokens_out,
    )


def impact_figures(part: ImpactPart, windows: tuple[str, ...], labels: Labeller, config: Config) -> ImpactFigures:
    """Return what is published of the impact ledger."""

    def published(outcome: TaskOutcome) -> RankedTask:
        return RankedTask(
            task=outcome.label,
            quest=labels.quest(outcome.quest),
            layer=labels.layer(outcome.layer),
            title=clean_title(outcome.title),
            impact=outcome.impact,
            usd=outcome.usd,
            tokens=outcome.tokens,
            impact_per_usd=None if outcome.reason else outcome.impact_per_usd,
            reason=outcome.reason,
        )

    return ImpactFigures(
        today=part.today,
        windows=windows,
        rejected=part.rejected,
        newest=part.newest,
        outcomes=part.outcomes.regroup(part.outcomes.labels, labels.outcome),
        waste=part.waste.regroup(part.waste.labels, labels.outcome),
        best=tuple(map(published, ranked(part.best, config.efficiency.top))) if "30d" in windows else (),
        wasted=tuple(map(published, ranked(part.wasted, config.waste.top))) if "30d" in windows else (),
    )


def budget_figures(part: BudgetPart, windows: tuple[str, ...], labels: Labeller) -> BudgetFigures:
    """Return what is published of the budget ledger."""
    budget: dict[str, Decimal] = {}
    for quest, usd in part.current.items():
        label = labels.quest(quest)
        budget[label] = EXACT.add(budget.get(label, ZERO), usd)
    return BudgetFigures(
        today=part.today,
        windows=windows,
        rejected=part.rejected,
        newest=part.newest,
        allocations=part.allocations.regroup(("quest",), labels.allocation),
        budget_day=part.newest_day,
        budget=budget,
    )
