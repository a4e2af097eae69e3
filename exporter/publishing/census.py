"""The census: how many series there would be under given labels, counted from the parts before anything is built.

It follows the views' rules of what is published, view by view; a test compares both for any ledgers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field

from exporter.config import Config, LedgerName
from exporter.holding import LedgerHealth, Parts
from exporter.labelling.labels import COMBINATIONS, OPEN_LABELS, Folds, Labeller, Labels
from exporter.names.text import RESERVED
from exporter.publishing.counters import Counters, Proposal
from exporter.publishing.snapshot import Reload
from exporter.sums import (
    RECENT_DAYS,
    WINDOWS,
    Allocation,
    BudgetPart,
    CostPart,
    ImpactPart,
    Key,
    Outcomes,
    S,
    Spend,
    Table,
    TaskSpend,
    ranked,
)
from exporter.thresholds import CATALOGUE, Thresholds

_ALL, _RECENT = WINDOWS.index("all"), WINDOWS.index("30d")
_WASTE_SETTINGS = 2
_OF_COUNTERS = 1
"""The number of label sets that the counters have folded stands beside those of labels and combinations."""
_ALWAYS = 4
"""Interval, greatest age, outcome of the last reload, and versions."""
_COUNTED_OF_A_LEDGER = 4
"""Refreshes, failures, rows read and corrections."""

Windows = AbstractSet[str]


@dataclass(frozen=True)
class Rules:
    """What the configuration says of the number of series.

    `best`, `wasted` and `costly` are the lengths of the rankings.
    """

    best: int
    wasted: int
    costly: int
    thresholds: Thresholds

    @classmethod
    def of(cls, config: Config) -> Rules:
        """Return the rules of a configuration."""
        return cls(config.efficiency.top, config.waste.top, config.costly.top, config.thresholds.resolved())


class Census:
    """Counts the series that the parts make under any labels, the counters' among them."""

    def __init__(
        self,
        parts: Parts,
        rules: Rules,
        counters: Counters,
        propose: Callable[[Labeller], Proposal | None],
        besides: int,
    ) -> None:
        """`propose` says what the counters become under labels, None where they stay as they are.

        `besides` is the number of series that tell of the exporter and not of the ledgers.
        """
        self._parts = parts
        self._rules = rules
        self._counters = counters
        self._propose = propose
        self._besides = besides
        self._proposed: tuple[Labeller, Proposal | None] | None = None

    @property
    def counted_quests(self) -> AbstractSet[str]:
        """Return the ids of the quests in the cost ledger that was counted last."""
        return self._counters.counted_quests

    @property
    def shown_quests(self) -> AbstractSet[str]:
        """Return the labels of the quests that have a counter."""
        return self._counters.shown_quests

    def proposal(self, labels: Labels) -> Proposal | None:
        """Return what is proposed of the counters under these labels, None where they stay as they are."""
        if self._proposed is None or self._proposed[0] is not labels.labeller:
            self._proposed = labels.labeller, self._propose(labels.labeller)
        return self._proposed[1]

    def series(self, labels: Labels) -> int:
        """Return how many series there would be under these labels."""
        proposal = self.proposal(labels)
        values = self._counters.values if proposal is None else proposal.values
        count = _Count(self._besides + _WASTE_SETTINGS)
        parts = self._parts
        if parts.cost is not None:
            _count_cost(count, parts.cost, parts.windows(parts.cost), labels, self._rules)
            _count_counters(count, values, has_tokens_out=parts.cost.has_tokens_out)
        if parts.impact is not None:
            _count_impact(count, parts.impact, parts.windows(parts.impact), labels, self._rules)
        if parts.budget is not None:
            _count_budget(count, parts.budget, parts.windows(parts.budget), labels)
        _count_spend(count, parts, labels)
        return count.series + len(count.quests) + _thresholds(self._rules.thresholds, count, labels.quest_ids)


def exporter_series(
    parts: Parts, health: Mapping[LedgerName, LedgerHealth], instant: float | None, reload: Reload
) -> int:
    """Return how many series tell of the exporter itself: those of the view of health."""
    series = len(OPEN_LABELS) + len(COMBINATIONS) + _OF_COUNTERS + _ALWAYS
    series += (instant is not None) + (reload.success is not None)
    for state in health.values():
        known = (
            state.up,
            state.duration_seconds,
            state.last_success,
            state.progress,
            state.verified_age,
            state.lateness,
        )
        series += len(state.sources) + _COUNTED_OF_A_LEDGER + sum(value is not None for value in known)
    for part in parts.known().values():
        series += len(part.rejected) if "all" in parts.windows(part) else 0
        series += part.newest is not None
    return series


@dataclass
class _Count:
    """The series counted so far, and the names in them, for each of which there is more to publish."""

    series: int
    quests: set[str] = field(default_factory=set)
    providers: set[str] = field(default_factory=set)
    layers: set[str] = field(default_factory=set)


def _shown(table: Table[S], windows: Iterable[str]) -> Iterator[tuple[tuple[str, ...], Windows]]:
    """Yield each key that is published, with the windows in which it is."""
    complete = frozenset(windows)
    old = complete & {"all"}
    for key, sums in table.sums.items():
        if sums[_RECENT].rows:
            found = complete
        elif sums[_ALL].rows:
            found = old
        else:
            continue
        if found:
            yield tuple(map(str, key)), found


def _count_cost(count: _Count, part: CostPart, windows: tuple[str, ...], labels: Labels, rules: Rules) -> None:
    spend = part.spend.regroup(part.spend.labels, labels.labeller.charge)
    token_types = 2 if part.has_tokens_out else 1
    has_tasks = part.tasks is not None
    for (provider,), shown in _shown(spend.by("provider"), windows):
        count.series += (2 + token_types + has_tasks) * len(shown)
        count.providers.add(provider)
    for (provider, _), shown in _shown(labels.folds.combine(spend, "provider", "model"), windows):
        count.series += (1 + token_types) * len(shown)
        count.providers.add(provider)
    for (quest, provider), shown in _shown(labels.folds.combine(spend, "quest", "provider"), windows):
        count.series += len(shown)
        count.quests.add(quest)
        count.providers.add(provider)
    if "all" in windows:
        models = _models(part.first_seen, labels.labeller, labels.folds)
        count.series += len(models)
        count.providers |= {str(provider) for provider, _ in models}
    if "30d" in windows:
        count.series += RECENT_DAYS
    if has_tasks:
        count.series += len(windows)
    if part.task_spend is not None and "yesterday" in windows:
        tasks = _tasks((*part.task_spend, *part.newest_task_spend), labels.labeller, rules.costly)
        count.series += 2 * len(tasks)


def _models(first_seen: Mapping[Key, int], labeller: Labeller, folds: Folds) -> set[Key]:
    """Return the providers and models with a first charge, as published."""
    models = {(labeller.provider(provider), labeller.model(model)) for provider, model in first_seen}
    return {folds.combination(("provider", "model"), model) for model in models}


def _tasks(pieces: Iterable[TaskSpend], labeller: Labeller, most: int) -> set[tuple[str, str]]:
    """Return tasks with a charge as published, as many as are ranked: they are of quests that are published anyway."""
    tasks: set[tuple[str, str]] = set()
    for piece in pieces:
        for task in piece:
            if len(tasks) >= most:
                return tasks
            tasks.add(labeller.task(task))
    return tasks


def _count_counters(count: _Count, values: Mapping[Key, Spend], *, has_tokens_out: bool) -> None:
    count.series += len(values) * (4 if has_tokens_out else 3)
    count.providers |= {str(provider) for provider, _, _ in values}
    count.quests |= {str(quest) for _, _, quest in values}


def _count_impact(count: _Count, part: ImpactPart, windows: tuple[str, ...], labels: Labels, rules: Rules) -> None:
    labeller = labels.labeller
    outcomes = part.outcomes.regroup(part.outcomes.labels, labeller.outcome)
    combined = labels.folds.combine(outcomes, "quest", "layer")
    for (quest, layer), shown in _shown(combined, windows):
        count.series += 3 * len(shown)
        count.quests.add(quest)
        count.layers.add(layer)
    if "all" in windows:
        present = (sums for sums in combined.sums.values() if sums[_ALL].rows)
        count.series += 2 * sum(1 for sums in present if sums[_RECENT].rows or sums[_ALL].pending)
    waste = part.waste.regroup(part.waste.labels, labeller.outcome)
    for (quest, layer, _), shown in _shown(labels.folds.combine(waste, "quest", "layer", "reason"), windows):
        count.series += 3 * len(shown)
        count.quests.add(quest)
        count.layers.add(layer)
    count.quests |= _count_ratios(count, outcomes.by("quest"), windows)
    count.layers |= _count_ratios(count, outcomes.by("layer"), windows)
    if "30d" in windows:
        _count_rankings(count, part, labeller, rules)


def _count_ratios(count: _Count, table: Table[Outcomes], windows: tuple[str, ...]) -> set[str]:
    """Count the impact per dollar of what a table has, in each window with a cost; return of what there is any."""
    found = set()
    for key, shown in _shown(table, windows):
        sums = table.sums[key]
        ratios = sum(1 for window in shown if sums[WINDOWS.index(window)].usd > 0)
        count.series += ratios
        if ratios:
            found.add(key[0])
    return found


def _count_rankings(count: _Count, part: ImpactPart, labeller: Labeller, rules: Rules) -> None:
    best = [task for task in ranked(part.best, rules.best) if task.impact is not None]
    wasted = ranked(part.wasted, rules.wasted)
    count.series += 4 * len(best) + sum(2 if task.impact is None else 3 for task in wasted)
    for task in (*best, *wasted):
        count.quests.add(labeller.quest(task.quest))
        count.layers.add(labeller.layer(task.layer))


def _count_budget(count: _Count, part: BudgetPart, windows: tuple[str, ...], labels: Labels) -> None:
    allocations = part.allocations.regroup(("quest",), labels.labeller.allocation)
    budgeted = {labels.labeller.quest(quest) for quest in part.current}
    count.series += len(budgeted) + (part.newest_day is not None)
    count.quests |= budgeted
    for (quest,), shown in _shown(allocations, windows):
        count.series += len(shown) + _recorded(allocations.sums[quest,], shown)
        count.quests.add(quest)
    if "30d" in windows:
        overall = allocations.by()
        for day in range(part.today - RECENT_DAYS + 1, part.today + 1):
            allocation = overall.total(day)
            count.series += bool(allocation.rows) + bool(allocation.recorded_rows)


def _recorded(sums: tuple[Allocation, ...], shown: Windows) -> int:
    """Return in how many windows a recorded spend is published."""
    return sum(
        1
        for window in shown
        if sums[_ALL if window == "all" else _RECENT].recorded_rows and sums[WINDOWS.index(window)].recorded_known
    )


def _count_spend(count: _Count, parts: Parts, labels: Labels) -> None:
    """Count the spend by quest: with a charge, or 0 where there is a budget or an allocation."""
    if parts.cost is None:
        return
    windows = frozenset(parts.windows(parts.cost))
    by_quest = parts.cost.spend.regroup(parts.cost.spend.labels, labels.labeller.charge).by("quest")
    spend: dict[str, Windows] = {quest: shown for (quest,), shown in _shown(by_quest, windows)}
    if parts.budget is not None:
        allocations = parts.budget.allocations.regroup(("quest",), labels.labeller.allocation)
        for (quest,), shown in _shown(allocations, parts.windows(parts.budget)):
            spend[quest] = spend.get(quest, frozenset()) | (shown & windows)
        spend.update(dict.fromkeys(map(labels.labeller.quest, parts.budget.current), windows))
    count.series += sum(map(len, spend.values()))
    count.quests |= {quest for quest, shown in spend.items() if shown}


def _thresholds(thresholds: Thresholds, count: _Count, quest_ids: Mapping[str, str]) -> int:
    """Return the number of levels published for these quests, providers and layers, and for the platform."""
    names: dict[str, list[tuple[str, ...]]] = {
        "quest": [(quest,) if quest in RESERVED else (quest, quest_ids[quest]) for quest in count.quests],
        "provider": [(provider,) for provider in count.providers],
        "layer": [(layer,) for layer in count.layers],
        "platform": [()],
    }
    levels = 0
    for threshold in CATALOGUE:
        usual = len(thresholds.levels(threshold))
        special = []
        if thresholds.overrides.get(threshold.scope):
            special = [keys for keys in names[threshold.scope] if thresholds.overrides_any(threshold, keys)]
        levels += usual * (len(names[threshold.scope]) - len(special))
        levels += sum(len(thresholds.levels(threshold, *keys)) for keys in special)
    return levels
