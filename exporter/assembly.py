"""From merged parts to published figures: labels are named, folded and ranked here, once for all metrics."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal

from exporter.config import Config, Limits
from exporter.costliest import Costliest
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
    WINDOWS,
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
    ranked,
)
from exporter.parts.tasks import everyone
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

    def is_like(self, other: Labeller) -> bool:
        """Tell whether everything is labelled the same by both."""
        return self._folds == other._folds and self._quest_labels == other._quest_labels

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

    def outcome(self, key: Key) -> Key:
        """Return the published labels of a (quest id, layer[, reason])."""
        quest, layer, *reason = key
        return self.quest(quest), self.layer(layer), *reason

    def allocation(self, key: Key) -> Key:
        """Return the published label of a (quest id,)."""
        return (self.quest(key[0]),)

    def task(self, key: tuple[str, str | None]) -> tuple[str, str]:
        """Return the published labels of a (task, quest id)."""
        task, quest = key
        return clean(task), self.quest(quest)

    def own_charge(self, key: Key) -> Key:
        """Return the labels of a (provider, model, quest id) as if nothing were folded."""
        provider, model, quest = key
        return provider, clean_or_unknown(model), self.own_quest(quest)


def quest_ids(parts: Parts) -> set[str]:
    """Return every quest id in any ledger."""
    keys: list[Key] = []
    if parts.cost is not None:
        keys += parts.cost.spend.by("quest").present()
    if parts.impact is not None:
        keys += parts.impact.outcomes.by("quest").present()
    if parts.budget is not None:
        keys += parts.budget.allocations.present()
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


_NO_TASKS = (0,) * len(WINDOWS)
_NO_WEIGHT: tuple[Decimal, Decimal] = (ZERO, ZERO)


def _weights(table: Table[S], usd: Callable[[S], Decimal]) -> dict[Key, tuple[Decimal, Decimal]]:
    """Return what each key weighs: whether it has a row in the last 30 days (1 or 0), then its US dollars in them."""
    return {key: (Decimal(table.is_recent(key)), usd(table.window(key, "30d"))) for key in table.present()}


class _First:
    """Relabels keys of one column."""

    def __init__(self, label: Callable[[str | None], str]) -> None:
        self._label = label

    def __call__(self, key: Key) -> Key:
        return (self._label(key[0]),)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _First) and self._label == other._label

    def __hash__(self) -> int:
        return hash(self._label)


def _open_weights(
    table: Table[S], label: Callable[[str | None], str], usd: Callable[[S], Decimal]
) -> dict[str, Weight]:
    labelled = table.regroup(table.labels, _First(label))
    return {str(key[0]): weight for key, weight in _weights(labelled, usd).items() if key[0] not in RESERVED}


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


def update_counters(counters: Counters, part: CostPart, labels: Labeller) -> dict[Key, Spend]:
    """Feed a newly read cost ledger to the counters; return them. The heaviest label sets find a place first."""
    everything, refunds = WINDOWS.index("all"), part.refunds.sums
    gross = {
        key: sums[everything] - refunds[key][everything] if key in refunds else sums[everything]
        for key, sums in part.spend.sums.items()
        if sums[everything].rows
    }
    return counters.update(gross, recent_charges(counters, part, labels), labels.charge, labels.own_charge)


def recent_charges(counters: Counters, part: CostPart, labels: Labeller) -> list[Key]:
    """Return the raw keys charged in the last 30 days: of those the counters do not know, the heaviest first."""
    recent = part.spend.recent_keys()
    new = [key for key in recent if not counters.knows(key)]
    if not new:
        return recent
    labelled = part.spend.regroup(part.spend.labels, labels.charge)

    def order(key: Key) -> tuple[Decimal, tuple[bytes, ...]]:
        label_set = labels.charge(key)
        weight = labelled.window(label_set, "30d").usd.copy_negate()
        return weight, tuple(str(label).encode() for label in label_set)

    return [*sorted(new, key=order), *recent]


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
