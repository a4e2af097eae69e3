"""The immutable snapshot between ledgers and views, and the one reference through which scrapes see it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from fractions import Fraction
from typing import Generic, TypeVar

from exporter.config import Config, LedgerName
from exporter.holding import LedgerHealth
from exporter.labelling.labels import Folds
from exporter.sums import Allocation, Key, Outcomes, Spend, Table, Waste
from exporter.thresholds import Thresholds


@dataclass(frozen=True)
class Figures:
    """What is published of one ledger: as of UTC day `today`, for `windows`; what is not known is absent."""

    today: int
    windows: tuple[str, ...]
    rejected: Mapping[str, int]
    newest: int | None


@dataclass(frozen=True)
class CostFigures(Figures):
    """The cost ledger under its published labels (provider, model, quest).

    `tasks` is the number of distinct tasks by provider in each of `WINDOWS`, `all_tasks` over all of them. `task_spend` is
    today's and yesterday's spend by (task, quest), None where it is not known; `counters` the counters by (provider, model,
    quest).
    """

    spend: Table[Spend]
    first_seen: Mapping[Key, int]
    tasks: Mapping[str, tuple[int, ...]] | None
    all_tasks: tuple[int, ...]
    task_spend: tuple[tuple[Key, Spend], ...] | None
    counters: Mapping[Key, Spend]
    has_tokens_out: bool


@dataclass(frozen=True, slots=True)
class RankedTask:
    """A task in a ranking, under its published labels; its own best or heaviest outcome."""

    task: str
    quest: str
    layer: str
    title: str
    impact: Decimal | None
    usd: Decimal
    tokens: int
    impact_per_usd: Fraction | None = None
    reason: str = ""


@dataclass(frozen=True)
class ImpactFigures(Figures):
    """The impact ledger under its published labels (quest, layer[, reason]), and its two rankings, best first."""

    outcomes: Table[Outcomes]
    waste: Table[Waste]
    best: tuple[RankedTask, ...]
    wasted: tuple[RankedTask, ...]


@dataclass(frozen=True)
class BudgetFigures(Figures):
    """The budget ledger by quest: allocations by day, and the budget, that of `budget_day`, the newest day there is."""

    allocations: Table[Allocation]
    budget_day: int | None
    budget: Mapping[str, Decimal]


@dataclass(frozen=True)
class Reload:
    """The outcome of the last attempt to load the configuration, and when the last one succeeded (Unix seconds)."""

    successful: bool = True
    success: float | None = None


@dataclass(frozen=True)
class Settings:
    """What the configuration says that metrics repeat, in seconds, tokens and impact."""

    refresh_interval_seconds: float
    max_age_seconds: float
    waste_min_tokens: int
    waste_max_impact: Decimal
    thresholds: Thresholds = field(default_factory=Thresholds)

    @classmethod
    def of(cls, config: Config) -> Settings:
        """Return the settings of a configuration."""
        return cls(
            refresh_interval_seconds=config.refresh.interval.total_seconds(),
            max_age_seconds=config.refresh.max_age.total_seconds(),
            waste_min_tokens=config.waste.min_tokens,
            waste_max_impact=config.waste.max_impact,
            thresholds=config.thresholds.resolved(),
        )


@dataclass(frozen=True)
class Snapshot:
    """All that one scrape shows. A ledger that is not known, or no longer, is None.

    `instant` (Unix seconds) is that of the last pass that read anything, None before it. `quest_ids` maps quest labels to
    ids.
    """

    settings: Settings
    health: Mapping[LedgerName, LedgerHealth]
    folds: Folds
    instant: float | None = None
    cost: CostFigures | None = None
    impact: ImpactFigures | None = None
    budget: BudgetFigures | None = None
    quest_ids: Mapping[str, str] = field(default_factory=dict)
    folded: Mapping[str, int] = field(default_factory=dict)
    reload: Reload = Reload()

    def figures(self, ledger: str) -> Figures | None:
        """Return a ledger's figures by its name."""
        return {"cost": self.cost, "impact": self.impact, "budget": self.budget}[ledger]


T = TypeVar("T")


class Reference(Generic[T]):
    """The one reference two threads meet at: the refresh swaps it, scrapes read it.

    Binding an attribute is atomic in Python, so neither side needs a lock.
    """

    def __init__(self, value: T) -> None:
        self._value = value

    def get(self) -> T:
        """Return what is published now."""
        return self._value

    def swap(self, value: T) -> None:
        """Publish something else, whole."""
        self._value = value
