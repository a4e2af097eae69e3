"""One pass: ledgers to parts to snapshot to exposition. A failure is an outcome, never half an update."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import datetime
from functools import reduce
from operator import add
from time import perf_counter

from exporter import assembly, views
from exporter.config import LEDGERS, Config, LedgerName
from exporter.counters import LABELS as COUNTER_LABELS
from exporter.counters import Counters
from exporter.errors import SourceError, Stopped
from exporter.exposition import Demand, Exposition
from exporter.labels import Admission
from exporter.ledgers import budget, cost, impact
from exporter.ledgers.source import Question, Source, Transaction
from exporter.parts import DAY_BOUND_WINDOWS, WINDOWS, CostPart, Key, Part, Spend, day_of
from exporter.snapshot import LedgerHealth, Reload, Settings, Snapshot
from exporter.views.metric import Family

log = logging.getLogger(__name__)

_FAILURES_BEFORE_SKIPPING = 3


@dataclass(frozen=True)
class Reading:
    """The outcome of one attempt to read a ledger from a source: a part, or what went wrong."""

    ledger: LedgerName
    source: str
    seconds: float
    part: Part | None = None
    error: str | None = None


@dataclass(frozen=True)
class Published:
    """What scrapes and the landing page see: a snapshot and its exposition."""

    snapshot: Snapshot
    exposition: Exposition

    def restated(self, reload: Reload) -> Published:
        """Return the same with another outcome of loading the configuration."""
        snapshot = replace(self.snapshot, reload=reload)
        return Published(snapshot, Exposition(views.families(snapshot)))


class Refresh:
    """Passes over the ledgers, and what lives between them: the last parts, names, labels, counters and health.

    One pass runs at a time; what it returns is immutable, and all that other threads get to see.
    """

    def __init__(self, config: Config, sources: Mapping[str, Source], reload: Reload | None = None) -> None:
        """`sources` maps the names in the configuration to databases; they stay the caller's to close."""
        self._config = config
        self._sources = sources
        self._families = cost.Families(config.providers)
        self._settings = Settings(
            refresh_interval_seconds=config.refresh.interval.total_seconds(),
            max_age_seconds=config.refresh.max_age.total_seconds(),
            waste_min_tokens=config.waste.min_tokens,
            waste_max_impact=config.waste.max_impact,
            thresholds=config.thresholds.resolved(),
        )
        self.reload = reload or Reload()
        self.demand = Demand()
        self._attempts = _Attempts()
        self._health = {ledger: LedgerHealth({}) for ledger in LEDGERS}
        self._errors: dict[LedgerName, dict[str, str | None]] = {ledger: {} for ledger in LEDGERS}
        self._parts: dict[LedgerName, dict[str, Part]] = {ledger: {} for ledger in LEDGERS}
        self._whole: dict[LedgerName, Part] = {}
        self._instant: float | None = None
        self._names: Mapping[str, str | None] = {}
        self._quest_labels: dict[str, str] = {}
        self._quest_ids: dict[str, str] = {}
        self._admission = Admission(assembly.admission_limits(config.limits, 0))
        self._halvings = 0
        self._decided_for: tuple[int, frozenset[str]] | None = None
        self._counters = Counters(config.limits.combinations)
        self._counted: CostPart | None = None
        self._counter_values: Mapping[Key, Spend] = {}
        self._last = self._blank()

    def inherit(self, previous: Refresh) -> None:
        """Continue where a refresh under another configuration stopped.

        Values stay until a ledger is read under the new configuration, names are not forgotten, and counters never fall: what
        the new configuration makes of old charges is no growth.
        """
        self.demand = previous.demand
        self._whole, self._instant = dict(previous._whole), previous._instant
        self._names, self._quest_labels, self._quest_ids = previous._names, previous._quest_labels, previous._quest_ids
        self._counters, self._counted = previous._counters, previous._counted
        self._counter_values = previous._counter_values
        if self._config.limits == previous._config.limits:
            self._admission, self._halvings = previous._admission, previous._halvings
            self._decided_for = previous._decided_for
        self._last = replace(previous._last, settings=self._settings, reload=self.reload)
        self._counters.limit = self._config.limits.combinations
        if _meaning_of_charges(previous._config) != _meaning_of_charges(self._config):
            self._counters.rebase()
        for ledger, health in previous._health.items():
            self._health[ledger] = replace(health, sources={}, error=None, failures_in_a_row=0)

    def empty(self) -> Published:
        """Return what is published before the first pass: nothing is known of any ledger."""
        return Published(self._last, Exposition(views.families(self._last)))

    def run(self, now: datetime) -> Published:
        """Read every source once and return a new snapshot; what could not be read keeps its last values."""
        readings = self._read(Question(now, self._config.efficiency.grace))
        for ledger in LEDGERS:
            self._take(ledger, [reading for reading in readings if reading.ledger == ledger], now)
        if any(reading.part is not None for reading in readings):
            self._instant = now.timestamp()
        try:
            snapshot, families = self._build(now)
        except Exception as error:  # a bug must not leave old figures that look alive
            log.exception("making a snapshot failed unexpectedly")
            snapshot = self._without_new_figures(now, f"unexpected {type(error).__name__} in making a snapshot")
            families = views.families(snapshot)
        self._last = snapshot
        return Published(snapshot, Exposition(families, self.demand.recent()))

    def _without_new_figures(self, now: datetime, problem: str) -> Snapshot:
        """Return the last snapshot with every ledger down; without its figures once they are old or their day is over."""
        for ledger, health in self._health.items():
            sources = dict.fromkeys(self._config.ledgers[ledger].source_names, False)
            self._health[ledger] = replace(health, sources=sources, failures=health.failures + 1, error=problem)
        last, age = self._last, self._config.refresh.max_age.total_seconds()
        known = [figures for figures in map(last.figures, LEDGERS) if figures is not None]
        keeps = all(figures.today == day_of(now) for figures in known) and now.timestamp() - (last.instant or 0) <= age
        if keeps:
            return replace(last, health=dict(self._health), reload=self.reload)
        return replace(self._blank(), instant=last.instant)

    def _blank(self) -> Snapshot:
        return Snapshot(self._settings, dict(self._health), self._admission.folds(), reload=self.reload)

    def _read(self, question: Question) -> list[Reading]:
        names = [name for name in self._sources if self._attempts.is_due(name)]
        with ThreadPoolExecutor(max_workers=max(1, len(names)), thread_name_prefix="source") as readers:
            readings = [
                reading
                for part in readers.map(lambda name: self._read_source(name, question), names)
                for reading in part
            ]
        for name in names:
            self._attempts.note(name, failed=all(r.part is None for r in readings if r.source == name))
        return readings

    def _read_source(self, name: str, question: Question) -> list[Reading]:
        """Read the ledgers of one database in one snapshot of it."""
        ledgers = self._config.ledgers_of(name)[::-1]  # the cost ledger, the largest, has all the time the others leave
        started = perf_counter()
        try:
            with self._sources[name].snapshot() as transaction:
                return [
                    self._read_ledger(transaction, ledger, name, question, 1 / (len(ledgers) - position))
                    for position, ledger in enumerate(ledgers)
                ]
        except SourceError as error:
            problem = str(error)
        except Stopped:
            raise
        except Exception as error:  # what the driver did not foresee in one source must not hide the others
            log.exception("reading a source failed unexpectedly", extra={"source": name})
            problem = f"source {name}: unexpected {type(error).__name__}"
        seconds = perf_counter() - started
        return [Reading(ledger, name, seconds, error=problem) for ledger in ledgers]

    def _read_ledger(
        self, transaction: Transaction, ledger: LedgerName, source: str, question: Question, share: float
    ) -> Reading:
        started = perf_counter()
        part, problem = None, None
        try:
            with transaction.savepoint(share):
                part = self._ask(transaction, ledger, question)
        except SourceError as error:
            problem = f"source {source}: {error}"
        except Exception as error:  # a bug that one ledger's rows bring out must not hide the other ledgers
            log.exception("reading a ledger failed unexpectedly", extra={"ledger": ledger, "source": source})
            problem = f"source {source}: unexpected {type(error).__name__}"
        return Reading(ledger, source, perf_counter() - started, part, problem)

    def _ask(self, transaction: Transaction, ledger: LedgerName, question: Question) -> Part:
        ledgers = self._config.ledgers
        if ledger == "cost":
            return cost.read(transaction, ledgers.cost, question, self._families)
        if ledger == "impact":
            return impact.read(transaction, ledgers.impact, question, self._config.waste)
        return budget.read(transaction, ledgers.budget, question)

    def _take(self, ledger: LedgerName, readings: Sequence[Reading], now: datetime) -> None:
        """Take in what was read of a ledger, or note that it was not."""
        if not readings:
            return
        parts = self._parts[ledger]
        parts.update({reading.source: reading.part for reading in readings if reading.part is not None})
        self._note_health(ledger, readings, now)
        sources = self._config.ledgers[ledger].source_names
        # Parts of different days do not add up to any window: until all are of one day, the last whole ledger stays.
        if set(parts) == set(sources) and len({part.today for part in parts.values()}) == 1:
            first, *others = (parts[source] for source in sources)
            self._whole[ledger] = reduce(add, others, first)

    def _note_health(self, ledger: LedgerName, readings: Sequence[Reading], now: datetime) -> None:
        health = self._health[ledger]
        failed = any(reading.error is not None for reading in readings)
        errors = self._errors[ledger]
        errors.update({reading.source: reading.error for reading in readings})
        sources = {**health.sources, **{reading.source: reading.part is not None for reading in readings}}
        current = replace(
            health,
            sources={name: sources[name] for name in self._config.ledgers[ledger].source_names if name in sources},
            refreshes=health.refreshes + 1,
            failures=health.failures + failed,
            rows_read=health.rows_read + sum(reading.part.rows for reading in readings if reading.part is not None),
            duration_seconds=max(reading.seconds for reading in readings),
            error="; ".join(error for error in errors.values() if error is not None) or None,
        )
        if current.up:
            current = replace(current, last_success=now.timestamp(), failures_in_a_row=0)
        elif failed:
            current = replace(current, failures_in_a_row=health.failures_in_a_row + 1)
        _log_change(ledger, health, current)
        self._health[ledger] = current

    def _build(self, now: datetime) -> tuple[Snapshot, list[Family]]:
        """Make the snapshot of all that is known."""
        parts = self._known_parts(now)
        if parts.budget is not None:
            self._names = assembly.booked_names(parts.budget)
        labels = assembly.label_quests(assembly.quest_ids(parts), self._names)
        self._quest_labels.update(labels)
        self._quest_ids.update({label: quest for quest, label in labels.items()})
        # The counters never fold anew: they are fed when it is settled who keeps a label of its own.
        if self._decide_afresh_when_due(now):
            self._settle(parts, now)
        self._count(parts)
        return self._settle(parts, now)

    def _settle(self, parts: assembly.Parts, now: datetime) -> tuple[Snapshot, list[Family]]:
        """Make the snapshot, folding more while it has too many series."""
        while True:
            snapshot = self._snapshot(parts, now)
            families = views.families(snapshot)
            series = sum(len(family.samples) for family in families)
            if series <= self._config.limits.series or not any(self._limits().values()):
                return snapshot, families
            self._tighten()
            log.warning(
                "more series than limits.series: folding further",
                extra={"series": series, "limit": self._config.limits.series, **self._limits()},
            )

    def _tighten(self) -> None:
        """Halve the limits until that takes a label or combination from somebody."""
        self._halvings += 1
        while any(self._limits().values()) and not self._admission.is_touched_by(self._limits()):
            self._halvings += 1
        self._admission = Admission(self._limits())

    def _limits(self) -> dict[str, int]:
        return assembly.admission_limits(self._config.limits, self._halvings)

    def _known_parts(self, now: datetime) -> assembly.Parts:
        """Return the ledgers that are not older than `max_age`."""
        oldest = (now - self._config.refresh.max_age).timestamp()
        known = {ledger: part for ledger, part in self._whole.items() if part.instant >= oldest}
        return assembly.Parts(**known)  # type: ignore[arg-type]

    def _decide_afresh_when_due(self, now: datetime) -> bool:
        """Forget who keeps a label at 00:00 UTC, and when a ledger is first known; tell whether that was due."""
        due_for = (day_of(now), frozenset(self._whole))
        if due_for == self._decided_for:
            return False
        self._decided_for, self._halvings = due_for, 0
        self._admission = Admission(self._limits())
        return True

    def _snapshot(self, parts: assembly.Parts, now: datetime) -> Snapshot:
        assembly.admit_labels(self._admission, parts)
        labels = assembly.Labeller(self._quest_labels, self._admission.folds())
        cost_figures = impact_figures = budget_figures = None
        if parts.cost is not None:
            windows = _windows(parts.cost, now)
            cost_figures = assembly.cost_figures(parts.cost, windows, labels, self._config, self._counter_values)
        if parts.impact is not None:
            impact_figures = assembly.impact_figures(parts.impact, _windows(parts.impact, now), labels, self._config)
        if parts.budget is not None:
            budget_figures = assembly.budget_figures(parts.budget, _windows(parts.budget, now), labels)
        assembly.admit_combinations(self._admission, cost_figures, impact_figures)
        return Snapshot(
            settings=self._settings,
            health=dict(self._health),
            folds=self._admission.folds(),
            instant=self._instant,
            cost=cost_figures,
            impact=impact_figures,
            budget=budget_figures,
            quest_ids=dict(self._quest_ids),
            folded={**self._admission.folded, ",".join(COUNTER_LABELS): self._counters.folded},
            reload=self.reload,
        )

    def _count(self, parts: assembly.Parts) -> None:
        """Feed the counters, once for each newly read cost ledger."""
        if parts.cost is not None and parts.cost is not self._counted:
            assembly.admit_labels(self._admission, parts)
            labels = assembly.Labeller(self._quest_labels, self._admission.folds())
            self._counted = parts.cost
            self._counter_values = assembly.update_counters(self._counters, parts.cost, labels)


def _meaning_of_charges(config: Config) -> tuple[object, ...]:
    """Return all of the configuration that decides which charges there are and what they count for."""
    sources = {name: config.sources[name] for name in config.ledgers.cost.source_names}
    return sources, config.ledgers.cost, config.providers


class _Attempts:
    """Back-off: after some failures in a row a source is asked in every other pass only.

    No longer, because a source that comes back must be seen within two intervals.
    """

    def __init__(self) -> None:
        self._failures: dict[str, int] = {}
        self._skipped: set[str] = set()

    def is_due(self, source: str) -> bool:
        """Tell whether to ask a source in this pass; a refusal counts as the pass it sits out."""
        if self._failures.get(source, 0) < _FAILURES_BEFORE_SKIPPING or source in self._skipped:
            self._skipped.discard(source)
            return True
        self._skipped.add(source)
        return False

    def note(self, source: str, *, failed: bool) -> None:
        """Note how an attempt went."""
        self._failures[source] = self._failures.get(source, 0) + 1 if failed else 0


def _windows(part: Part, now: datetime) -> tuple[str, ...]:
    """Return the windows a part can still answer: once its day is over, not today's and yesterday's."""
    if part.today == day_of(now):
        return WINDOWS
    return tuple(window for window in WINDOWS if window not in DAY_BOUND_WINDOWS)


def _log_change(ledger: LedgerName, before: LedgerHealth, now: LedgerHealth) -> None:
    """Log an outage at its beginning, at growing intervals, and at its end."""
    failures = now.failures_in_a_row
    if failures != before.failures_in_a_row and failures.bit_count() == 1:
        log.warning("ledger cannot be read", extra={"ledger": ledger, "failures": failures, "error": now.error})
    elif not failures and before.failures_in_a_row:
        log.warning("ledger can be read again", extra={"ledger": ledger, "failures": before.failures_in_a_row})
