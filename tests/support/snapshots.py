"""Small snapshots made by hand: what the unit tests show to views, in as few words as possible."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from exporter.config import LEDGERS
from exporter.holding import LedgerHealth
from exporter.labelling.labels import COMBINATIONS, Folds
from exporter.publishing.snapshot import BudgetFigures, CostFigures, ImpactFigures, Settings, Snapshot
from exporter.sums import WINDOWS, Allocation, Key, Outcomes, Spend, Table, Waste, day_of
from exporter.views.metric import Family

NOON = datetime(2026, 4, 10, 12, tzinfo=UTC)
TODAY = day_of(NOON)
SETTINGS = Settings(
    refresh_interval_seconds=15.0,
    max_age_seconds=900.0,
    waste_min_tokens=1000,
    waste_max_impact=Decimal("0.5"),
)
CLOSED = ("7d", "30d", "all")
"""The windows that are left of a ledger that was read yesterday."""


class _Everything(frozenset[object]):
    def __contains__(self, value: object) -> bool:
        return True


def folds(**kept: Iterable[object]) -> Folds:
    """Folds under which everything keeps its label, but for the labels and combinations (`provider__model`) given."""
    everything = ("quest", "model", "provider", "layer", *(",".join(labels) for labels in COMBINATIONS))
    limited = {label.replace("__", ","): frozenset(values) for label, values in kept.items()}
    return Folds({label: _Everything() for label in everything} | limited)


def usd(text: str, tokens_in: int = 0, tokens_out: int = 0, charges: int = 1) -> Spend:
    """Charges of so many dollars."""
    return Spend(Decimal(text), tokens_in, tokens_out, charges)


def spend(*rows: tuple[Key, int, Spend]) -> Table[Spend]:
    """Spend by ((provider, model, quest), days ago, charges)."""
    return _table(("provider", "model", "quest"), Spend(), rows)


def outcomes(*rows: tuple[Key, int, Outcomes]) -> Table[Outcomes]:
    """Outcomes by ((quest, layer), days ago, sums)."""
    return _table(("quest", "layer"), Outcomes(), rows)


def waste(*rows: tuple[Key, int, Waste]) -> Table[Waste]:
    """Waste by ((quest, layer, reason), days ago, sums)."""
    return _table(("quest", "layer", "reason"), Waste(), rows)


def allocations(*rows: tuple[str, int, Allocation]) -> Table[Allocation]:
    """Allocations by (quest, days ago, sums)."""
    return _table(("quest",), Allocation(), [((quest,), age, sums) for quest, age, sums in rows])


def _table(labels: tuple[str, ...], zero: Any, rows: Iterable[tuple[Key, int, Any]]) -> Table[Any]:
    return Table.of(labels, TODAY, zero, ((key, TODAY - age, sums) for key, age, sums in rows))


def cost_figures(table: Table[Spend] | None = None, **changes: Any) -> CostFigures:
    """A cost ledger with these charges, read today."""
    usual: dict[str, Any] = {
        "today": TODAY,
        "windows": WINDOWS,
        "rejected": {"instant": 0, "cost": 0},
        "newest": None,
        "spend": spend() if table is None else table,
        "first_seen": {},
        "tasks": {},
        "all_tasks": (0,) * len(WINDOWS),
        "task_spend": (),
        "counters": {},
        "has_tokens_out": True,
    }
    return CostFigures(**usual | changes)


def impact_figures(table: Table[Outcomes] | None = None, **changes: Any) -> ImpactFigures:
    """An impact ledger with these outcomes, read today."""
    usual: dict[str, Any] = {
        "today": TODAY,
        "windows": WINDOWS,
        "rejected": {"instant": 0, "cost": 0, "impact": 0},
        "newest": None,
        "outcomes": outcomes() if table is None else table,
        "waste": waste(),
        "best": (),
        "wasted": (),
    }
    return ImpactFigures(**usual | changes)


def budget_figures(table: Table[Allocation] | None = None, **changes: Any) -> BudgetFigures:
    """A budget ledger with these allocations, read today."""
    usual: dict[str, Any] = {
        "today": TODAY,
        "windows": WINDOWS,
        "rejected": {"instant": 0, "allocation": 0},
        "newest": None,
        "allocations": allocations() if table is None else table,
        "budget_day": None,
        "budget": {},
    }
    return BudgetFigures(**usual | changes)


def snapshot(**changes: Any) -> Snapshot:
    """A snapshot of nothing but what is given."""
    usual: dict[str, Any] = {
        "settings": SETTINGS,
        "health": {ledger: LedgerHealth({}) for ledger in LEDGERS},
        "folds": folds(),
    }
    return Snapshot(**usual | changes)


Samples = Mapping[tuple[str, ...], float]


def published(families: Iterable[Family] | Iterator[Family]) -> dict[str, Samples]:
    """The samples of each family that has any, by the metric's name."""
    return {family.name: family.samples for family in families if family.samples}


def windowed(*labels: str, **values: float) -> dict[tuple[str, ...], float]:
    """Samples of one label set by window; `d7` and `d30` stand for `7d` and `30d`."""
    names = {"d7": "7d", "d30": "30d"}
    return {(*labels, names.get(window, window)): value for window, value in values.items()}
