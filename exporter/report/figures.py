"""The five views as figures, from the samples alone: what the terminal draws, and JSON has."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from math import fsum
from types import MappingProxyType

from exporter.publishing.samples import Labels, Samples
from exporter.views import allocation, efficiency, health, providers, utilization, waste
from exporter.views.metric import Metric

_WASTED = ("low_impact", "unscored")
"""The reasons for which an outcome is waste for good."""


@dataclass(frozen=True)
class Share:
    """US dollars of somebody, and what part of all of them that is."""

    name: str
    usd: float
    share: float | None


@dataclass(frozen=True)
class Allocation:
    """Which quests hold today's budget; `day` is the one whose allocations it is."""

    day: str | None
    total_usd: float | None
    quests: list[Share]


@dataclass(frozen=True)
class Day:
    """Budget and spend of all quests on a day."""

    day: str
    budget_usd: float | None
    spend_usd: float
    over: bool


@dataclass(frozen=True)
class Use:
    """What a quest has spent of its budget; of a window but `today`, of its allocations in it."""

    quest: str
    spend_usd: float
    budget_usd: float | None
    used_ratio: float | None


@dataclass(frozen=True)
class Utilization:
    """Are we over or under budget; `days` are of all quests, and empty where only some are asked for."""

    spend_usd: float | None
    quests: list[Use]
    days: list[Day]


@dataclass(frozen=True)
class Provider:
    """What a provider costs; of some quests only the dollars are known."""

    provider: str
    spend_usd: float
    share: float | None
    tasks: float | None = None
    charges: float | None = None
    input_tokens: float | None = None
    output_tokens: float | None = None
    usd_per_task: float | None = None


@dataclass(frozen=True)
class BestTask:
    """A task by its impact per US dollar."""

    task: str
    title: str
    quest: str
    layer: str
    impact_per_usd: float
    impact_score: float | None
    cost_usd: float | None
    tokens: float | None


@dataclass(frozen=True)
class Ratio:
    """Impact per US dollar of a quest or layer."""

    name: str
    impact_per_usd: float


@dataclass(frozen=True)
class Efficiency:
    """Which tasks (of 30 days), quests and layers give the most impact per dollar."""

    tasks: list[BestTask]
    quests: list[Ratio]
    layers: list[Ratio]


@dataclass(frozen=True)
class Reason:
    """Waste of one reason."""

    reason: str
    usd: float
    tokens: float
    outcomes: float


@dataclass(frozen=True)
class WastedTask:
    """A task that burnt tokens."""

    task: str
    title: str
    quest: str
    layer: str
    reason: str
    tokens: float
    usd: float | None
    impact_score: float | None


@dataclass(frozen=True)
class CostlyTask:
    """A task by what it was charged today and yesterday."""

    task: str
    quest: str
    usd: float
    tokens: float | None


@dataclass(frozen=True)
class Waste:
    """What was wasted, without what may still be scored; its share of what settled outcomes cost; the worst tasks."""

    usd: float | None
    share: float | None
    reasons: list[Reason]
    tasks: list[WastedTask]
    costliest: list[CostlyTask]


@dataclass(frozen=True)
class Report:
    """Everything, as of an instant. `problems` say which ledger is not known, or not wholly."""

    snapshot: str | None
    window: str
    problems: list[str]
    allocation: Allocation
    efficiency: Efficiency
    utilization: Utilization
    providers: list[Provider]
    waste: Waste


def report(
    samples: Samples, window: str, *, of_some_quests: bool, reasons: Mapping[str, str] = MappingProxyType({})
) -> Report:
    """Return the views for a window; `of_some_quests` where the samples are not of all quests.

    `reasons` say by ledger why it cannot be read, where that is known.
    """
    instant = samples.value(health.SNAPSHOT)
    return Report(
        snapshot=None if instant is None else datetime.fromtimestamp(instant, UTC).isoformat(timespec="seconds"),
        window=window,
        problems=_problems(samples, reasons),
        allocation=_allocation(samples),
        efficiency=_efficiency(samples, window, of_some_quests=of_some_quests),
        utilization=_utilization(samples, window, of_some_quests=of_some_quests),
        providers=_of_quests(samples, window) if of_some_quests else _providers(samples, window),
        waste=_waste(samples, window),
    )


def _problems(samples: Samples, reasons: Mapping[str, str]) -> list[str]:
    up = samples.by(health.UP, "ledger")
    progress = samples.by(health.PROGRESS, "ledger")
    return [_unread(ledger, reasons.get(ledger)) for ledger, value in up.items() if not value] + [
        f"the {ledger} ledger is only read to {share:.0%}: windows that are not complete are left out"
        for ledger, share in progress.items()
        if share < 1 and up.get(ledger)
    ]


def _unread(ledger: str, reason: str | None) -> str:
    return f"the {ledger} ledger cannot be read" + (f": {reason}" if reason else "")


def _descending(values: dict[str, float]) -> list[tuple[str, float]]:
    return sorted(values.items(), key=lambda item: (-item[1], item[0]))


def _ratio(part: float, whole: float | None) -> float | None:
    return part / whole if whole is not None and whole > 0 else None


def _sum(values: dict[str, float]) -> float | None:
    return fsum(values.values()) if values else None


def _shares(values: dict[str, float]) -> list[Share]:
    total = _sum(values)
    return [Share(name, usd, _ratio(usd, total)) for name, usd in _descending(values)]


def _allocation(samples: Samples) -> Allocation:
    budgets = samples.by(allocation.BUDGET, "quest")
    day = samples.value(allocation.BUDGET_DAY)
    return Allocation(
        day=None if day is None else datetime.fromtimestamp(day, UTC).date().isoformat(),
        total_usd=_sum(budgets),
        quests=_shares(budgets),
    )


def _utilization(samples: Samples, window: str, *, of_some_quests: bool) -> Utilization:
    spend = samples.by(utilization.SPEND, "quest", window=window)
    budgets = (
        samples.by(allocation.BUDGET, "quest")
        if window == "today"
        else samples.by(allocation.ALLOCATED, "quest", window=window)
    )
    uses = [
        Use(quest, usd, budgets.get(quest), _ratio(usd, budgets.get(quest)))
        for quest, usd in _descending(spend)
        if usd or quest in budgets
    ]
    return Utilization(_sum(spend), uses, [] if of_some_quests else _days(samples))


def _days(samples: Samples) -> list[Day]:
    budgets = samples.by(utilization.DAY_BUDGET, "day")
    return [
        Day(day, budgets.get(day), usd, day in budgets and usd > budgets[day])
        for day, usd in sorted(samples.by(utilization.DAY_SPEND, "day").items())
    ]


def _providers(samples: Samples, window: str) -> list[Provider]:
    def column(metric: Metric, **fixed: str) -> dict[str, float]:
        return samples.by(metric, "provider", window=window, **fixed)

    spend, tasks, charges = column(providers.SPEND), column(providers.TASKS), column(providers.CHARGES)
    tokens = {kind: column(providers.TOKENS, token_type=kind) for kind in ("input", "output")}
    total = _sum(spend)
    return [
        Provider(
            name,
            usd,
            _ratio(usd, total),
            tasks.get(name),
            charges.get(name),
            tokens["input"].get(name),
            tokens["output"].get(name),
            _ratio(usd, tasks.get(name)),
        )
        for name, usd in _descending(spend)
    ]


def _of_quests(samples: Samples, window: str) -> list[Provider]:
    spend = samples.by(providers.QUEST_SPEND, "provider", window=window)
    total = _sum(spend)
    return [Provider(name, usd, _ratio(usd, total)) for name, usd in _descending(spend)]


def _efficiency(samples: Samples, window: str, *, of_some_quests: bool) -> Efficiency:
    layers = samples.by(efficiency.LAYER_RATIO, "layer", window=window)
    if of_some_quests:
        impact = samples.by(efficiency.IMPACT, "layer", window=window)
        cost = samples.by(efficiency.COST, "layer", window=window)
        layers = {name: score / cost[name] for name, score in impact.items() if cost.get(name, 0) > 0}
    quests = samples.by(efficiency.QUEST_RATIO, "quest", window=window)
    return Efficiency(
        _best_tasks(samples),
        [Ratio(name, value) for name, value in _descending(quests)],
        [Ratio(name, value) for name, value in _descending(layers)],
    )


def _best_tasks(samples: Samples) -> list[BestTask]:
    tasks = [
        BestTask(
            task=labels["task"],
            title=labels["title"],
            quest=labels["quest"],
            layer=labels["layer"],
            impact_per_usd=value,
            impact_score=samples.value(efficiency.BEST_IMPACT, **_own(labels)),
            cost_usd=samples.value(efficiency.BEST_COST, **_own(labels)),
            tokens=samples.value(efficiency.BEST_TOKENS, **_own(labels)),
        )
        for labels, value in samples.of(efficiency.BEST_RATIO)
    ]
    return sorted(tasks, key=lambda task: (-task.impact_per_usd, task.task.encode()))


def _own(labels: Labels) -> Labels:
    """Return the labels by which a task is found in other metrics."""
    return {name: value for name, value in labels.items() if name != "title"}


def _waste(samples: Samples, window: str) -> Waste:
    usd = samples.by(waste.USD, "reason", window=window)
    tokens = samples.by(waste.TOKENS, "reason", window=window)
    outcomes = samples.by(waste.OUTCOMES, "reason", window=window)
    cost = samples.by(efficiency.COST, "layer", window=window)
    wasted = fsum(usd.get(reason, 0) for reason in _WASTED)
    return Waste(
        usd=wasted if usd or cost else None,
        share=_ratio(wasted, _sum(cost)),
        reasons=[Reason(name, value, tokens[name], outcomes[name]) for name, value in _descending(usd)],
        tasks=_wasted_tasks(samples),
        costliest=_costliest(samples),
    )


def _wasted_tasks(samples: Samples) -> list[WastedTask]:
    tasks = [
        WastedTask(
            task=labels["task"],
            title=labels["title"],
            quest=labels["quest"],
            layer=labels["layer"],
            reason=labels["reason"],
            tokens=tokens,
            usd=samples.value(waste.TASK_USD, **_own(labels)),
            impact_score=samples.value(waste.TASK_IMPACT, **_own(labels)),
        )
        for labels, tokens in samples.of(waste.TASK_TOKENS)
    ]
    return sorted(tasks, key=lambda task: (-task.tokens, task.task.encode()))


def _costliest(samples: Samples) -> list[CostlyTask]:
    tasks = [
        CostlyTask(labels["task"], labels["quest"], usd, samples.value(waste.COSTLY_TOKENS, **labels))
        for labels, usd in samples.of(waste.COSTLY_USD)
    ]
    return sorted(tasks, key=lambda task: (-task.usd, task.task.encode(), task.quest.encode()))
