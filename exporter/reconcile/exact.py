"""The sums behind the samples, before they become floats: figures that differ by less than a float can tell differ here."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from decimal import Decimal
from fractions import Fraction
from typing import Any

from exporter.publishing.samples import Key
from exporter.publishing.snapshot import RankedTask, Snapshot
from exporter.sums import WINDOWS, Table

Exact = Decimal | Fraction | int | None
VIEW = "exact sums"
_ALL = WINDOWS.index("all")


def sums(snapshot: Snapshot) -> dict[Key, Exact]:
    """Return every sum by what it is of, e.g. (`spend.usd`, provider, model, quest, window)."""
    return dict(_sums(snapshot))


def _sums(snapshot: Snapshot) -> Iterator[tuple[Key, Exact]]:
    cost, impact, budget = snapshot.cost, snapshot.impact, snapshot.budget
    if cost is not None:
        yield from _table("spend", cost.spend)
        for (task, quest), spend in cost.task_spend or ():
            yield from _row("costly_task", {"task": str(task), "quest": str(quest)}, spend._asdict())
    if impact is not None:
        yield from _table("outcomes", impact.outcomes)
        yield from _table("waste", impact.waste)
        yield from _ranking("best_task", impact.best)
        yield from _ranking("wasted_task", impact.wasted)
    if budget is not None:
        yield from _table("allocations", budget.allocations)
        for quest, usd in budget.budget.items():
            yield from _row("budget", {"quest": quest}, {"usd": usd})


def _table(name: str, table: Table[Any]) -> Iterator[tuple[Key, Exact]]:
    for key, windows in table.sums.items():
        if windows[_ALL].rows:  # of what was deleted, a sum of nothing may be left
            labels = dict(zip(table.labels, map(str, key), strict=True))
            for window, found in zip(WINDOWS, windows, strict=True):
                yield from _row(name, {**labels, "window": window}, found._asdict())


def _ranking(name: str, tasks: tuple[RankedTask, ...]) -> Iterator[tuple[Key, Exact]]:
    for rank, task in enumerate(tasks, start=1):
        labels = {"rank": str(rank), "task": task.task, "quest": task.quest, "layer": task.layer, "reason": task.reason}
        figures = {"impact": task.impact, "usd": task.usd, "tokens": task.tokens, "per_usd": task.impact_per_usd}
        yield from _row(name, labels, figures)


def _row(name: str, labels: Mapping[str, str], figures: Mapping[str, Exact]) -> Iterator[tuple[Key, Exact]]:
    told = frozenset(labels.items())
    for figure, value in figures.items():
        yield (f"{name}.{figure}", told), value
