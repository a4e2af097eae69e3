"""From merged parts to published figures: labels are named, folded and ranked here, once for all metrics."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction

from exporter.config import Config, Limits
from exporter.counters import Counters
from exporter.labels import (
    OTHER,
    RESERVED,
    UNKNOWN,
    Admission,
    Folds,
    Weight,
    clean,
    clean_or_unknown,
    clean_title,
    name_quests,
)
from exporter.parts import (
    EXACT,
    ZERO,
    Allocation,
    BudgetPart,
    CostPart,
    ImpactPart,
    Key,
    Outcomes,
    S,
    Spend,
    Table,
    TaskOutcome,
    merge_task_days,
)
from exporter.snapshot import BudgetFigures, CostFigures, ImpactFigures, RankedTask


@dataclass(frozen=True)
class Parts:
    """The merged part of each ledger that is known, as read last."""

    cost: CostPart | None = None
    impact: ImpactPart | None = None
    budget: BudgetPart | None = None


def admission_limits(limits: Limits, halvings: int) -> dict[str, int]:
    """Return the limits of labels and combinations, the latter halved so often; when nothing is left of them, the former."""
    combinations = limits.combinations >> halvings
    further = max(0, halvings - limits.combinations.bit_length())
    labels = {"quest": limits.quests, "model": limits.models, "provider": limits.providers, "layer": limits.layers}
    return {**{label: limit >> further for label, limit in labels.items()}, "combinations": combinations}


class Labeller:
    """The published label of everything in the parts, under a naming of quests and a folding."""

    def __init__(self, quest_labels: Mapping[str, str], folds: Folds) -> None:
        self._quest_labels = quest_labels
        self._folds = folds

    def own_quest(self, quest: str | None) -> str:
        """Return a quest's own label, folded or not."""
        return UNKNOWN if quest is None else self._quest_labels[quest]

    def quest(self, quest: str | None) -> str:
        """Return a quest's published label."""
        return self.own_quest(quest) if quest is None or self._folds.keeps_quest(quest) else OTHER

    def model(self, model: str | None) -> str:
        """Return a model's published label."""
        return self._folds.value("model", clean_or_unknown(model))

    def provider(self, provider: str | None) -> str:
        """Return a provider family's published label."""
        return self._folds.value("provider", provider or UNKNOWN)

    def layer(self, layer: str | None) -> str:
        """Return a layer's published label."""
        return self._folds.value("layer", clean_or_unknown(layer))

    def charge(self, key: Key) -> Key:
        """Return the published labels of a (provider, model, quest id)."""
        provider, model, quest = key
        return self.provider(provider), self.model(model), self.quest(quest)

    def own_charge(self, key: Key) -> Key:
        """Return the labels of a (provider, model, quest id) as if nothing were folded."""
        provider, model, quest = key
        return provider, clean_or_unknown(model), self.own_quest(quest)


def quest_ids(parts: Parts) -> set[str]:
    """Return every quest id in any ledger."""
    keys: list[Key] = []
    if parts.cost is not None:
        keys += parts.cost.spend.by("quest").cells
    if parts.impact is not None:
        keys += parts.impact.outcomes.by("quest").cells
    if parts.budget is not None:
        keys += parts.budget.allocations.cells
    return {quest for (quest,) in keys if quest is not None}


def booked_names(budget: BudgetPart) -> dict[str, str | None]:
    """Return each quest's name as of its newest allocation row; of several on that day the bytewise smallest."""
    return {quest: min(names, key=str.encode, default=None) for quest, (_, names) in budget.names.items()}


def label_quests(ids: Iterable[str], names: Mapping[str, str | None]) -> dict[str, str]:
    """Return the label of every quest id that exists or is named."""
    return name_quests({**dict.fromkeys(ids), **names})


def admit_labels(admission: Admission, parts: Parts) -> None:
    """Let the values of every open label in, by their 30-day spend."""
    cost, impact, budget = parts.cost, parts.impact, parts.budget
    spend = _weights(cost.spend.by("quest"), _spend_usd) if cost else {}
    allocated = _weights(budget.allocations, _allocated_usd) if budget else {}
    impact_cost = _weights(impact.outcomes.by("quest"), _outcome_usd) if impact else {}
    quests: dict[str, Weight] = {}
    for quest in quest_ids(parts):
        weights = [ledger.get((quest,), _NO_WEIGHT) for ledger in (spend, allocated, impact_cost)]
        quests[quest] = (max(recent for recent, _ in weights), *(usd for _, usd in weights))
    admission.admit("quest", quests)
    if cost is not None:
        admission.admit("provider", _open_weights(cost.spend.by("provider"), str, _spend_usd))
        admission.admit("model", _open_weights(cost.spend.by("model"), clean_or_unknown, _spend_usd))
    if impact is not None:
        admission.admit("layer", _open_weights(impact.outcomes.by("layer"), clean_or_unknown, _outcome_usd))


def admit_combinations(admission: Admission, cost: CostFigures | None, impact: ImpactFigures | None) -> None:
    """Let combinations of published labels in, by their 30-day spend."""
    if cost is not None:
        for labels in (("provider", "model"), ("quest", "provider")):
            admission.admit_combinations(labels, _weights(cost.spend.by(*labels), _spend_usd))
    if impact is not None:
        admission.admit_combinations(("quest", "layer"), _weights(impact.outcomes, _outcome_usd))


def _spend_usd(sums: Spend) -> Decimal:
    return sums.usd


def _outcome_usd(sums: Outcomes) -> Decimal:
    return EXACT.add(sums.usd, sums.pending_usd)


def _allocated_usd(sums: Allocation) -> Decimal:
    return sums.usd


_NO_WEIGHT: tuple[Decimal, Decimal] = (ZERO, ZERO)


def _weights(table: Table[S], usd: Callable[[S], Decimal]) -> dict[Key, tuple[Decimal, Decimal]]:
    """Return what each key weighs: whether it has a row in the last 30 days (1 or 0), then its US dollars in them."""
    return {key: (Decimal(table.is_recent(key)), usd(table.window(key, "30d"))) for key in table.cells}


def _open_weights(
    table: Table[S], label: Callable[[str | None], str], usd: Callable[[S], Decimal]
) -> dict[str, Weight]:
    labelled = table.regroup(table.labels, lambda key: (label(key[0]),))
    return {str(key[0]): weight for key, weight in _weights(labelled, usd).items() if key[0] not in RESERVED}


def cost_figures(
    part: CostPart, windows: tuple[str, ...], labels: Labeller, config: Config, counters: Mapping[Key, Spend]
) -> CostFigures:
    """Return what is published of the cost ledger."""
    first_seen: dict[Key, int] = {}
    for (provider, model), instant in part.first_seen.items():
        key = (labels.provider(provider), labels.model(model))
        first_seen[key] = min(instant, first_seen.get(key, instant))
    tasks = part.tasks
    return CostFigures(
        today=part.today,
        windows=windows,
        rejected=part.rejected,
        newest=part.newest,
        spend=part.spend.regroup(part.spend.labels, labels.charge),
        first_seen=first_seen,
        tasks=None
        if tasks is None
        else merge_task_days([[((labels.provider(provider), task), days) for (provider, task), days in tasks.items()]]),
        task_spend=_costliest(part, labels, config.costly.top) if "yesterday" in windows else None,
        counters=counters,
        has_tokens_out=part.has_tokens_out,
    )


def _costliest(part: CostPart, labels: Labeller, top: int) -> tuple[tuple[Key, Spend], ...] | None:
    """Return the tasks charged most today and yesterday; ties go to the smaller task, then quest, bytewise."""
    if part.task_spend is None:
        return None
    sums: dict[tuple[str, str], Spend] = {}
    for (task, quest), spend in part.task_spend.items():
        key = (clean(task), labels.quest(quest))
        sums[key] = sums[key] + spend if key in sums else spend
    return tuple(
        heapq.nsmallest(
            top, sums.items(), key=lambda item: (item[1].usd.copy_negate(), item[0][0].encode(), item[0][1].encode())
        )
    )


def update_counters(counters: Counters, part: CostPart, labels: Labeller) -> dict[Key, Spend]:
    """Feed a newly read cost ledger to the counters; return them. The heaviest label sets find a place first."""
    labelled = part.spend.regroup(part.spend.labels, labels.charge)
    weight = {key: labelled.window(key, "30d").usd.copy_negate() for key in labelled.cells}

    def order(key: Key) -> tuple[Decimal, tuple[bytes, ...]]:
        label_set = labels.charge(key)
        return weight[label_set], tuple(str(label).encode() for label in label_set)

    return counters.update(part.gross, sorted(part.spend.recent_keys(), key=order), labels.charge, labels.own_charge)


def impact_figures(part: ImpactPart, windows: tuple[str, ...], labels: Labeller, config: Config) -> ImpactFigures:
    """Return what is published of the impact ledger."""

    def key_of(key: Key) -> Key:
        quest, layer, *reason = key
        return labels.quest(quest), labels.layer(layer), *reason

    def ranked(outcome: TaskOutcome) -> RankedTask:
        return RankedTask(
            task=clean(outcome.task),
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
        outcomes=part.outcomes.regroup(part.outcomes.labels, key_of),
        waste=part.waste.regroup(part.waste.labels, key_of),
        best=tuple(map(ranked, rank(part.best, _efficiency_rank, config.efficiency.top))),
        wasted=tuple(map(ranked, rank(part.wasted, _waste_rank, config.waste.top))),
    )


Rank = tuple[Fraction | int, bytes, int, Decimal, int]


def _efficiency_rank(outcome: TaskOutcome) -> Rank:
    return -outcome.impact_per_usd, outcome.task.encode(), -outcome.instant, outcome.usd.copy_negate(), outcome.tokens


def _waste_rank(outcome: TaskOutcome) -> Rank:
    return -outcome.tokens, outcome.task.encode(), -outcome.instant, outcome.usd.copy_negate(), 0


def rank(outcomes: Iterable[TaskOutcome], rank_of: Callable[[TaskOutcome], Rank], top: int) -> list[TaskOutcome]:
    """Return the first outcomes by rank; a task (by its published label) appears once, with its first."""
    first: dict[str, tuple[Rank, TaskOutcome]] = {}
    for outcome in outcomes:
        label, ranked = clean(outcome.task), (rank_of(outcome), outcome)
        if label not in first or ranked[0] < first[label][0]:
            first[label] = ranked
    return [outcome for _, outcome in heapq.nsmallest(top, first.values(), key=lambda ranked: ranked[0])]


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
        allocations=part.allocations.regroup(("quest",), lambda key: (labels.quest(key[0]),)),
        budget_day=part.newest_day,
        budget=budget,
    )
