"""What would have been published at each step, made by the same figures and views as what is published now."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from exporter.backfill.ledgers import BudgetPast, CostPast, ImpactPast, LedgerPast
from exporter.config import LEDGERS, Config
from exporter.holding import LedgerHealth, Parts
from exporter.labelling.labels import COMBINATIONS, OPEN_LABELS, Labeller, Labels
from exporter.labelling.policy import LabelPolicy
from exporter.ledgers.history import Allocated, Charged, Ended, Steps
from exporter.parts import WINDOWS, Key, Spend
from exporter.publishing import figures
from exporter.publishing.census import Census, Rules
from exporter.publishing.costliest import Costliest
from exporter.publishing.counters import LABELS as COUNTER_LABELS
from exporter.publishing.counters import Counters, Proposal, recent_charges
from exporter.publishing.snapshot import Settings, Snapshot
from exporter.views import allocation, efficiency, health, providers, thresholds, utilization, waste
from exporter.views.metric import Family, Metric

_SHOWN = (allocation.families, utilization.by_quest, providers.families, efficiency.families, waste.families)

METRICS: tuple[Metric, ...] = (
    *allocation.METRICS,
    utilization.SPEND,
    utilization.RECORDED,
    *providers.METRICS,
    efficiency.IMPACT,
    efficiency.COST,
    efficiency.OUTCOMES,
    efficiency.PENDING_COST,
    efficiency.PENDING,
    efficiency.QUEST_RATIO,
    efficiency.LAYER_RATIO,
    waste.USD,
    waste.TOKENS,
    waste.OUTCOMES,
    waste.MIN_TOKENS,
    waste.MAX_IMPACT,
    health.UP,
    health.SNAPSHOT,
    health.LAST_SUCCESS,
    health.PROGRESS,
    health.NEWEST_ROW,
    health.FOLDED,
    *thresholds.METRICS,
)
"""What is told of the past: not the rankings and days, nor what only a running exporter could know of itself."""

_TOLD = frozenset(METRICS)


@dataclass(frozen=True)
class Step:
    """What a step tells: every sample, where it is `whole`, else those that may have changed since the step before."""

    families: list[Family]
    whole: bool


class _Reached(NamedTuple):
    """A step that was gone to: its labels, whether some came, whether all is to be told, and the counters that are told."""

    number: int
    labels: Labels
    came: bool
    whole: bool
    counters: Mapping[Key, Spend]


class Past:
    """Goes through the steps in order. What was known at one is in the ledgers and labels; no step is asked for twice."""

    def __init__(
        self,
        config: Config,
        steps: Steps,
        charged: Iterator[Charged],
        ended: Iterator[Ended],
        allocated: Iterator[Allocated],
    ) -> None:
        """The bookings of each ledger are in order of steps."""
        nowhen = steps.day(0) - 1
        self._config = config
        self._steps = steps
        self._cost = CostPast(charged, nowhen, config.ledgers.cost)
        self._impact = ImpactPast(ended, nowhen)
        self._budget = BudgetPast(allocated, nowhen)
        self._today = nowhen
        self._policy = LabelPolicy(config.limits)
        self._rules = replace(Rules.of(config), by_day=False)
        self._labels: Labels | None = None
        self._counters = Counters(config.limits.combinations)
        self._costliest = Costliest(1)
        self._settings = Settings.of(config)

    def step(self, number: int, *, whole: bool = False) -> Step:
        """Go to a step and return what it tells; `whole` asks for every sample."""
        reached = self._reach(number, whole=whole)
        if reached.whole:
            for ledger in self._ledgers:
                ledger.tell_all()
        return Step(self._families(reached), reached.whole)

    def skip(self, number: int) -> None:
        """Go to a step of which nothing is to be told: only what later steps depend on is done."""
        self._reach(number, whole=False)

    def _reach(self, number: int, *, whole: bool) -> _Reached:
        first_of_day = self._go_to(number)
        came = first_of_day or any(ledger.has_newcomers for ledger in self._ledgers)
        whole = whole or first_of_day or any(ledger.has_fallen for ledger in self._ledgers)
        parts, propose = self._parts(number, everything=True), self._proposer(came=came, first=number == 0)
        census = Census(parts, self._rules, self._counters, propose, _others(parts))
        before, labels = self._labels, self._labels
        if came or labels is None:
            labels = self._labels = self._policy.decide(parts, census)
            if before is None or labels.labeller is not before.labeller or labels.folds is not before.folds:
                self._relabel()
                whole = True
        return _Reached(number, labels, came, whole, self._count(census.proposal(labels), whole=whole))

    def _go_to(self, number: int) -> bool:
        """Take in what is first seen at a step; tell whether it is the first of its day."""
        today = self._steps.day(number)
        for ledger in self._ledgers:
            ledger.go_to(number, today)
        first_of_day, self._today = today != self._today, today
        return first_of_day

    @property
    def _ledgers(self) -> tuple[LedgerPast[Any], ...]:
        return self._cost, self._impact, self._budget

    def _parts(self, number: int, *, everything: bool) -> Parts:
        instant = float(self._steps.instant(number))
        cost = self._cost.part(instant, everything=everything)
        return Parts(self._today, cost, self._impact.part(instant), self._budget.part(instant))

    def _relabel(self) -> None:
        for ledger in self._ledgers:
            ledger.relabel()

    def _proposer(self, *, came: bool, first: bool) -> Callable[[Labeller], Proposal]:
        """Return what proposes the counters' growth. What there is at the first step is no growth."""
        cost, growth = self._cost.part(0.0), {} if first else self._cost.growth

        def propose(labeller: Labeller) -> Proposal:
            recent = recent_charges(self._counters, cost, labeller) if came else ()
            return self._counters.propose_growth(growth, recent, labeller.charge, labeller.own_charge)

        return propose

    def _count(self, proposal: Proposal | None, *, whole: bool) -> Mapping[Key, Spend]:
        """Let the counters change, and return those that have changed, or all."""
        before = self._counters.values
        if proposal is not None:
            self._counters.take(proposal)
        if whole:
            return self._counters.values
        return {key: spend for key, spend in self._counters.values.items() if before.get(key) is not spend}

    def _families(self, reached: _Reached) -> list[Family]:
        """Return the families of a step."""
        snapshot = self._snapshot(reached)
        families = [family for show in _SHOWN for family in show(snapshot) if family.samples]
        families += [family for family in health.families(snapshot) if family.samples]
        families = [family for family in families if family.metric in _TOLD]
        if reached.came or reached.whole:
            families.append(allocation.quest_info(snapshot, families))
            families += thresholds.families(snapshot, families)
        return families

    def _snapshot(self, reached: _Reached) -> Snapshot:
        """Return what a scrape would have shown; budgets, which change with the day, only where all is told."""
        labels, instant = reached.labels, float(self._steps.instant(reached.number))
        cost, impact, budget = self._cost.part(instant), self._impact.part(instant), self._budget.part(instant)
        return Snapshot(
            settings=self._settings,
            health=dict.fromkeys(LEDGERS, LedgerHealth({"": True}, progress=1.0, last_success=instant)),
            folds=labels.folds,
            instant=instant,
            cost=figures.cost_figures(cost, WINDOWS, labels.labeller, self._costliest, reached.counters),
            impact=figures.impact_figures(impact, WINDOWS, labels.labeller, self._config),
            budget=figures.budget_figures(budget, WINDOWS, labels.labeller) if reached.whole else None,
            quest_ids=labels.quest_ids,
            folded={**labels.folded, ",".join(COUNTER_LABELS): self._counters.folded},
        )


def _others(parts: Parts) -> int:
    """Return how many series are told of health."""
    newest = sum(part.newest is not None for part in parts.known().values())
    of_each_ledger = len((health.UP, health.LAST_SUCCESS, health.PROGRESS)) * len(LEDGERS)
    folded = len(OPEN_LABELS) + len(COMBINATIONS) + 1
    return of_each_ledger + newest + folded + len((health.SNAPSHOT,))
