"""What would have been published at each step, made by the same assembly and views as what is published now."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from exporter import assembly
from exporter.assembly import Parts
from exporter.backfill.labelling import Labelling
from exporter.backfill.ledgers import BudgetPast, CostPast, ImpactPast
from exporter.config import LEDGERS, Config
from exporter.costliest import Costliest
from exporter.counters import LABELS as COUNTER_LABELS
from exporter.counters import Counters
from exporter.ledgers.history import Allocated, Charged, Ended, Steps
from exporter.parts import WINDOWS, Key, Spend
from exporter.snapshot import LedgerHealth, Settings, Snapshot
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
    """A step that was gone to: whether labels came, whether all is to be told, and the counters that are told."""

    number: int
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
        self._ledgers = (self._cost, self._impact, self._budget)
        self._today = nowhen
        self._labels = Labelling(config.limits)
        self._counters = Counters(config.limits.combinations)
        self._counted: Mapping[Key, Spend] = {}
        self._costliest = Costliest(1)
        self._settings = Settings(
            refresh_interval_seconds=config.refresh.interval.total_seconds(),
            max_age_seconds=config.refresh.max_age.total_seconds(),
            waste_min_tokens=config.waste.min_tokens,
            waste_max_impact=config.waste.max_impact,
            thresholds=config.thresholds.resolved(),
        )

    def step(self, number: int, *, whole: bool = False) -> Step:
        """Go to a step and return what it tells; `whole` asks for every sample."""
        return self._tell(self._reach(number, whole=whole))

    def skip(self, number: int) -> None:
        """Go to a step of which nothing is to be told: only what later steps depend on is done."""
        reached = self._reach(number, whole=False)
        if reached.came or reached.whole:
            self._tell(reached)

    def _reach(self, number: int, *, whole: bool) -> _Reached:
        first_of_day = self._go_to(number)
        parts = self._parts(number)
        came = first_of_day or any(ledger.has_newcomers for ledger in self._ledgers)
        whole = whole or first_of_day or any(ledger.has_fallen for ledger in self._ledgers)
        if came and self._labels.follow(parts, self._budget.part(0), afresh=first_of_day):
            self._relabel()
            whole = True
        counters = self._count(came=came, first=number == 0, whole=whole)
        return _Reached(number, came, whole, counters)

    def _tell(self, reached: _Reached) -> Step:
        if reached.whole:
            for ledger in self._ledgers:
                ledger.tell_all()
        families = self._families(reached)
        while reached.whole and self._are_too_many(families) and self._labels.tighten(self._parts(reached.number)):
            self._relabel()
            families = self._families(reached._replace(came=True))
        return Step(families, reached.whole)

    def _go_to(self, number: int) -> bool:
        """Take in what is first seen at a step; tell whether it is the first of its day."""
        today = self._steps.day(number)
        for ledger in self._ledgers:
            ledger.go_to(number, today)
        first_of_day, self._today = today != self._today, today
        return first_of_day

    def _parts(self, number: int) -> Parts:
        instant = float(self._steps.instant(number))
        return Parts(self._cost.part(instant), self._impact.part(instant), self._budget.part(instant))

    def _relabel(self) -> None:
        for ledger in self._ledgers:
            ledger.relabel()

    def _are_too_many(self, families: Iterable[Family]) -> bool:
        return sum(len(family.samples) for family in families) > self._config.limits.series

    def _count(self, *, came: bool, first: bool, whole: bool) -> Mapping[Key, Spend]:
        """Feed the counters and return those that have changed, or all. What there is at the first step is no growth."""
        labels = self._labels.labeller
        recent = assembly.recent_charges(self._counters, self._cost.part(0), labels) if came else ()
        before = self._counted
        growth = {} if first else self._cost.growth
        self._counted = self._counters.grow(growth, recent, labels.charge, labels.own_charge)
        if whole:
            return self._counted
        return {key: spend for key, spend in self._counted.items() if before.get(key) is not spend}

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
        labels, instant = self._labels, float(self._steps.instant(reached.number))
        cost, impact, budget = self._cost.part(instant), self._impact.part(instant), self._budget.part(instant)
        cost_figures = assembly.cost_figures(cost, WINDOWS, labels.labeller, self._costliest, reached.counters)
        impact_figures = assembly.impact_figures(impact, WINDOWS, labels.labeller, self._config)
        if reached.came:
            assembly.admit_combinations(labels.admission, cost_figures, impact_figures)
        return Snapshot(
            settings=self._settings,
            health=dict.fromkeys(LEDGERS, LedgerHealth({"": True}, progress=1.0, last_success=instant)),
            folds=labels.folds,
            instant=instant,
            cost=cost_figures,
            impact=impact_figures,
            budget=assembly.budget_figures(budget, WINDOWS, labels.labeller) if reached.whole else None,
            quest_ids=labels.quest_ids,
            folded={**labels.admission.folded, ",".join(COUNTER_LABELS): self._counters.folded},
        )
