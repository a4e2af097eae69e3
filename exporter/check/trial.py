"""A refresh on trial: what `serve` would publish if it were started now. Rows are read, so what only they can show is shown."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from exporter import views
from exporter.check.findings import Finding, error, note, ok, warning
from exporter.check.memory import Memory
from exporter.config import LEDGERS, Config, LedgerName
from exporter.databases.postgresql import Source
from exporter.publishing.snapshot import CostFigures, Reload, Snapshot
from exporter.refresher import Refresher
from exporter.sums import WINDOWS
from exporter.views.metric import Family

LOAD_SECONDS = 5.0
"""For how long the ledgers are loaded at most."""
_MUCH = 0.5
"""From this share of the time a reading may take, it is worth a warning."""
_LIMITS = {"quest": "quests", "model": "models", "provider": "providers", "layer": "layers"}
_VIEW_OF = {
    metric.name: view.__name__.rpartition(".")[2]
    for view in (*views.VIEWS, views.thresholds)
    for metric in view.METRICS
}


@dataclass(frozen=True)
class Trial:
    """What a refresh has found, and what was estimated from it."""

    findings: Sequence[Finding]
    estimate: dict[str, Any]


@dataclass
class Sizes:
    """How many rows each ledger has, and the cost ledger of yesterday, as planners believe."""

    rows: dict[LedgerName, int] = field(default_factory=dict)
    charges_a_day: int = 0


def run(config: Config, sources: Mapping[str, Source], sizes: Sizes, now: datetime) -> Trial:
    """Refresh once, load for some seconds, and judge the outcome."""
    refresher = Refresher.new(config, sources, Reload(success=now.timestamp()))
    snapshot = refresher.run(now).snapshot
    if refresher.is_loading:
        refresher.load(now, LOAD_SECONDS, stop_early=False)
        snapshot = refresher.run(now, again=True).snapshot
    families = views.families(snapshot)
    read = [finding for ledger in LEDGERS for finding in _ledger(snapshot, ledger, config)]
    cost = refresher.parts(now).cost
    task_sums = sum(map(len, cost.task_spend or ())) if cost is not None else 0
    estimate = _estimate(snapshot, families, config, sizes, task_sums)
    return Trial([*read, *_judge(estimate)], estimate)


def _ledger(snapshot: Snapshot, ledger: LedgerName, config: Config) -> Iterator[Finding]:
    health, figures = snapshot.health[ledger], snapshot.figures(ledger)
    if health.error is not None or figures is None:
        yield error(
            f"cannot be read: {health.error or 'nothing is known of it'}",
            f"ledgers.{ledger}",
            "the message has the database's own words; docs/troubleshooting.md",
        )
        return
    seconds, limit = health.duration_seconds or 0.0, config.refresh.timeout.total_seconds()
    yield ok(f"{ledger}: read in {seconds:.3f} s; {_newest(figures.newest, snapshot.instant)}")
    if seconds > _MUCH * limit:
        yield warning(
            f"reading the {ledger} ledger takes {seconds:.1f} s of the {limit:g} s it may",
            "refresh.timeout",
            "make the missing indexes; or raise refresh.timeout and refresh.interval; or read a replica",
        )
    rejected = {reason: number for reason, number in figures.rejected.items() if number}
    if rejected:
        reasons = ", ".join(f"{number:,} for their {reason}" for reason, number in rejected.items())
        yield warning(
            f"rows are left out of every figure: {reasons} (NULL, NaN or infinite)",
            f"ledgers.{ledger}",
            "look at these rows, or leave it so: ledger_rows_rejected counts them",
        )


def _newest(newest: int | None, instant: float | None) -> str:
    if newest is None or instant is None:
        return "no row of now or before"
    seconds = instant - newest / 1_000_000
    for unit, size in (("days", 86_400), ("hours", 3600), ("minutes", 60)):
        if seconds >= 2 * size:
            return f"its newest row is {seconds / size:.0f} {unit} old"
    return f"its newest row is {seconds:.0f} s old"


def _estimate(
    snapshot: Snapshot, families: Sequence[Family], config: Config, sizes: Sizes, task_sums: int
) -> dict[str, Any]:
    """Return what is to be expected: series by view, labels and combinations against their limits, memory in MB."""
    by_view: dict[str, int] = {}
    for family in families:
        view = _VIEW_OF[family.name]
        by_view[view] = by_view.get(view, 0) + len(family.samples)
    total = sum(by_view.values())
    sums = _task_sums(snapshot.cost, sizes.charges_a_day, task_sums)
    memory = Memory(total, _tasks(snapshot.cost, sizes.rows.get("cost", 0)), sums, sum(sizes.rows.values()))
    limits = {label: getattr(config.limits, name) for label, name in _LIMITS.items()}
    figures = [snapshot.figures(ledger) for ledger in LEDGERS]
    return {
        "complete": all(each is not None and "all" in each.windows for each in figures),
        "series": {**by_view, "total": total, "limit": config.limits.series},
        "labels": {
            label: {
                "values": len(kept),
                "folded": snapshot.folded.get(label, 0),
                "limit": limits.get(label, config.limits.combinations),
            }
            for label, kept in snapshot.folds.kept.items()
        },
        "memory_mb": round(memory.megabytes),
        "tasks": memory.tasks,
        "task_sums": memory.task_sums,
        "rows": dict(sizes.rows),
    }


def _tasks(cost: CostFigures | None, rows: int) -> int:
    """Return how many tasks a cost ledger of so many rows has, judged by what is loaded of it."""
    if cost is None:
        return 0
    tasks, charges = _loaded(cost)
    return tasks if "all" in cost.windows or not charges else tasks * max(rows, charges) // charges


def _task_sums(cost: CostFigures | None, charges_a_day: int, loaded: int) -> int:
    """Return how many sums of single tasks there will be when today ends: in ranges, as in those loaded, and over all.

    Where yesterday is not loaded whole, how many tasks it has is judged by its charges.
    """
    if cost is None:
        return 0
    today, yesterday = (cost.all_tasks[WINDOWS.index(window)] for window in ("today", "yesterday"))
    known, recent = today + yesterday, yesterday + max(today, yesterday)
    if "yesterday" not in cost.windows:
        known, charges = _loaded(cost)
        recent = max(known, 2 * charges_a_day * known // charges) if charges else 0
    return recent + max(recent, recent * loaded // known) if known else 0


def _loaded(cost: CostFigures) -> tuple[int, int]:
    """Return how many tasks and charges are loaded."""
    everything = WINDOWS.index("all")
    sums = cost.spend.by().sums
    return cost.all_tasks[everything], sums[()][everything].charges if sums else 0


def _judge(estimate: dict[str, Any]) -> Iterator[Finding]:
    series = dict(estimate["series"])
    total, limit = series.pop("total"), series.pop("limit")
    least = "" if estimate["complete"] else "at least "
    if least:
        yield note(f"only a part of the ledgers could be loaded in {LOAD_SECONDS:g} s; what follows is of that part")
    views_of = ", ".join(f"{view} {number:,}" for view, number in series.items())
    yield ok(f"{least}{total:,} series of at most {limit:,}: {views_of}")
    yield ok(
        "; ".join(f"{label} {each['values']:,} of {each['limit']:,}" for label, each in estimate["labels"].items())
    )
    for label, each in estimate["labels"].items():
        if each["folded"]:
            yield _folded(label, each)
    yield ok(
        f"{least}{estimate['memory_mb']} MB of memory, for {total:,} series, {estimate['tasks']:,} tasks,"
        f" {estimate['task_sums']:,} sums of single ones and {sum(estimate['rows'].values()):,} rows"
    )


def _folded(label: str, each: Mapping[str, int]) -> Finding:
    what = "combinations of " + label.replace(",", ", ") if "," in label else f"values of {label}"
    return warning(
        f"{each['folded']:,} {what} are beyond the limit and published as other",
        f"limits.{_LIMITS.get(label, 'combinations')}",
        "raise the limit, and limits.series with it, if they are to be seen one by one",
    )
