"""One pass: ledgers to parts to snapshot to exposition. A failure is an outcome, never half an update."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial, reduce
from operator import add
from time import perf_counter

from exporter import assembly, views
from exporter.config import LEDGERS, Config, LedgerName
from exporter.costliest import Costliest
from exporter.errors import SourceError, Stopped
from exporter.exposition import Demand, Exposition, Format, Lines
from exporter.holding import Parts, windows_on
from exporter.incremental.reader import Reader
from exporter.labelling.labels import Folds, Labeller, Labels
from exporter.labelling.policy import LabelPolicy
from exporter.ledgers import budget, cost, impact
from exporter.ledgers.source import Question, Source, Transaction, together
from exporter.logs import Troubles
from exporter.names.families import Families
from exporter.parts import (
    BudgetPart,
    CostPart,
    ImpactPart,
    Part,
    TaskNumbers,
    day_of,
)
from exporter.publishing.census import Census, Rules, exporter_series
from exporter.publishing.counters import LABELS as COUNTER_LABELS
from exporter.publishing.counters import Counters, Proposal
from exporter.snapshot import LedgerHealth, Reload, Settings, Snapshot
from exporter.views.metric import Family

log = logging.getLogger(__name__)

_FAILURES_BEFORE_SKIPPING = 3
_SHARE_TOGETHER = 0.5
"""Of the time for a source, what reading all its ledgers at once may take before each is read on its own."""
_GONE_TASKS = 100_000
"""So many tasks that are in no ledger any more keep their numbers."""
_FIRST_LOAD_SECONDS = 0.5


@dataclass(frozen=True)
class Reading:
    """The outcome of one attempt to read a ledger from a source: a part, or what went wrong."""

    ledger: LedgerName
    source: str
    seconds: float
    rows: int = 0
    part: Part | None = None
    error: str | None = None


@dataclass(frozen=True)
class Published:
    """What scrapes and the landing page see: a snapshot and its exposition."""

    snapshot: Snapshot
    exposition: Exposition

    def restated(self, reload: Reload, ahead: Iterable[Format]) -> Published:
        """Return the same with another outcome of loading the configuration, rendered in the formats given."""
        snapshot = replace(self.snapshot, reload=reload)
        return Published(snapshot, Exposition(views.families(snapshot), ahead))


class Refresh:
    """Passes over the ledgers, and what lives between them: the last parts, names, labels, counters and health.

    One pass runs at a time; what it returns is immutable, and all that other threads get to see.
    """

    def __init__(
        self,
        config: Config,
        sources: Mapping[str, Source],
        reload: Reload | None = None,
        *,
        whole: bool = False,
        policy: LabelPolicy | None = None,
    ) -> None:
        """`sources` maps the names in the configuration to databases; they stay the caller's to close.

        With `whole` each pass reads the ledgers whole: slow, simple, and what all else must equal. `policy` decides about
        labels, by default as the configuration says.
        """
        self._config = config
        self._sources = sources
        self._reads_whole = whole
        self._families = Families(config.providers)
        self._settings = Settings(
            refresh_interval_seconds=config.refresh.interval.total_seconds(),
            max_age_seconds=config.refresh.max_age.total_seconds(),
            waste_min_tokens=config.waste.min_tokens,
            waste_max_impact=config.waste.max_impact,
            thresholds=config.thresholds.resolved(),
        )
        self.reload = reload or Reload()
        self.demand = Demand()
        self._lines = Lines()
        self._attempts = _Attempts()
        self._troubles = Troubles()
        self._numbers = TaskNumbers()
        self._numbers_looked_at = _GONE_TASKS
        self._readers = {
            (ledger, source): self._reader(ledger) for source in sources for ledger in config.ledgers_of(source)
        }
        self._health = {ledger: LedgerHealth({}) for ledger in LEDGERS}
        self._errors: dict[LedgerName, dict[str, str | None]] = {ledger: {} for ledger in LEDGERS}
        self._parts: dict[LedgerName, dict[str, Part]] = {ledger: {} for ledger in LEDGERS}
        self._whole: dict[LedgerName, Part] = {}
        self._instant: float | None = None
        self._policy = policy or LabelPolicy(config.limits)
        self._costliest = Costliest(config.costly.top)
        self._counters = Counters(config.limits.combinations)
        self._rules = Rules.of(config)
        self._last = self._blank()

    def inherit(self, previous: Refresh) -> None:
        """Continue where a refresh under another configuration stopped.

        Values stay until a ledger is read under the new configuration, names are not forgotten, and counters never fall: what
        the new configuration makes of old charges is no growth.
        """
        self.demand = previous.demand
        self._whole, self._instant = dict(previous._whole), previous._instant
        self._policy, self._counters = previous._policy, previous._counters
        self._policy.limit(self._config.limits)
        self._last = replace(previous._last, settings=self._settings, reload=self.reload)
        self._counters.limit = self._config.limits.combinations
        if previous._meaning_of_charges() != self._meaning_of_charges():
            self._counters.rebase()
        self._keep_readers(previous)
        for ledger, health in previous._health.items():
            self._health[ledger] = replace(health, sources={}, error=None, failures_in_a_row=0)

    def _keep_readers(self, previous: Refresh) -> None:
        """Keep what was read of ledgers whose rows mean the same under both configurations."""
        for (ledger, source), reader in previous._readers.items():
            if self._meaning(ledger, source) == previous._meaning(ledger, source):
                self._readers[ledger, source] = reader
                if ledger == "cost":
                    self._numbers, self._families = previous._numbers, previous._families
        for key, reader in self._readers.items():
            if key[0] == "cost" and previous._readers.get(key) is not reader:
                self._readers[key] = self._reader("cost")  # all cost ledgers number tasks alike

    def _meaning_of_charges(self) -> tuple[object, ...]:
        """Return all that decides which charges there are and what they count for."""
        config = self._config
        places = {name: self._sources[name].place for name in config.ledgers.cost.source_names}
        return places, config.ledgers.cost, config.providers

    def _meaning(self, ledger: LedgerName, source: str) -> tuple[object, ...] | None:
        """Return all that decides what the rows of a ledger in a source say; None where it has none."""
        config = self._config
        if source not in config.ledgers[ledger].source_names:
            return None
        rows = self._sources[source].place, config.ledgers[ledger].relation, config.ledgers[ledger].expressions
        return {
            "cost": (*rows, config.providers),
            "impact": (*rows, config.waste, config.efficiency),
            "budget": rows,
        }[ledger]

    def empty(self) -> Published:
        """Return what is published before the first pass: nothing is known of any ledger."""
        return Published(self._last, Exposition(views.families(self._last)))

    def run(self, now: datetime) -> Published:
        """Read every source once and return a new snapshot; what could not be read keeps its last values."""
        try:
            self._read_all(now)
            return self._published(*self._build(now))
        except Stopped:
            raise
        except Exception as error:  # noqa: BLE001 - a bug, or no memory left, must not leave old figures that look alive
            self._log_unexpected("making a snapshot failed unexpectedly")
            self._costliest = Costliest(self._config.costly.top)  # it may have added up half of what is new
            snapshot = self._without_new_figures(now, f"unexpected {type(error).__name__} in making a snapshot")
            return self._published(snapshot, views.families(snapshot))

    def _published(self, snapshot: Snapshot, families: list[Family]) -> Published:
        published = Published(snapshot, Exposition(families, self.demand.recent(), self._lines))
        self._last = snapshot
        return published

    def _read_all(self, now: datetime) -> None:
        """Read every source once, and take in what it said."""
        question = Question(now, self._config.efficiency.grace)
        readings = self._read(question)
        if self._last.instant is None and self.is_loading:  # a small ledger is known whole at the first pass
            self.load(now, _FIRST_LOAD_SECONDS, stop_early=False)
            readings = self._read(question)
        for ledger in LEDGERS:
            self._take(ledger, [reading for reading in readings if reading.ledger == ledger], now)
        if any(reading.part is not None for reading in readings):
            self._instant = now.timestamp()
        self._forget_tasks(readings)

    def _forget_tasks(self, readings: Sequence[Reading]) -> None:
        """Forget the numbers of tasks that are in no ledger any more, once they are most of them."""
        numbers, readers = self._numbers, self._readers_of("cost")
        if len(numbers) < self._numbers_looked_at:
            return
        # All that was ever numbered must be known now: not what a source that is away will say, nor one that is loading.
        read = [reading for reading in readings if reading.ledger == "cost" and reading.part is not None]
        if len(read) < len(readers) or not all(reader.is_complete for reader in readers):
            return
        sets = [tasks for reader in readers for tasks in reader.task_sets()]
        self._numbers_looked_at = numbers.forget_all_but(sets, _GONE_TASKS)

    def _log_unexpected(self, message: str, **fields: object) -> None:
        """Log an exception that is a bug with its traceback, the first time, the second, the fourth and so on."""
        if self._troubles.recur(message):
            log.error(message, exc_info=True, extra=fields)  # noqa: LOG014 - called from handlers

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
        return Snapshot(self._settings, dict(self._health), Folds.none(), reload=self.reload)

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
                return self._read_together(transaction, name, ledgers, question) or [
                    self._read_ledger(transaction, ledger, name, question, 1 / (len(ledgers) - position))
                    for position, ledger in enumerate(ledgers)
                ]
        except SourceError as error:
            problem = str(error)
        except Stopped:
            raise
        except Exception as error:  # noqa: BLE001 - what the driver did not foresee in one source must not hide the others
            self._log_unexpected("reading a source failed unexpectedly", source=name)
            problem = f"source {name}: unexpected {type(error).__name__}"
        seconds = perf_counter() - started
        return [Reading(ledger, name, seconds, error=problem) for ledger in ledgers]

    def _read_together(
        self, transaction: Transaction, source: str, ledgers: Sequence[LedgerName], question: Question
    ) -> list[Reading]:
        """Read all ledgers of a source in few round trips; nothing where that was not possible."""
        readers = [self._readers[ledger, source] for ledger in ledgers]
        if not all(reader.is_at_ease(question, transaction.number) for reader in readers):
            return []
        started = perf_counter()
        before = [reader.rows_read for reader in readers]
        try:
            with transaction.savepoint(_SHARE_TOGETHER):
                parts = transaction.hold(together([reader.refresh(question, transaction.number) for reader in readers]))
        except Stopped:
            raise
        except SourceError:  # read alone, each ledger says what is wrong and hides no other
            for reader in readers:
                reader.troubled = True
            return []
        except Exception:  # noqa: BLE001 - the same, of a bug
            self._log_unexpected("reading ledgers together failed unexpectedly", source=source)
            for reader in readers:
                reader.break_off()
            return []
        seconds = perf_counter() - started
        return [
            Reading(ledger, source, seconds, reader.rows_read - rows, part)
            for ledger, reader, part, rows in zip(ledgers, readers, parts, before, strict=True)
        ]

    def _read_ledger(
        self, transaction: Transaction, ledger: LedgerName, source: str, question: Question, share: float
    ) -> Reading:
        """Read a ledger so that its failure is its own."""
        reader = self._readers[ledger, source]
        started, before = perf_counter(), reader.rows_read
        part: Part | None = None
        problem: str | None = None
        try:
            with transaction.savepoint(share):
                transaction.hold(reader.probe(question, transaction.number))
                if self._reads_whole or reader.must_read_whole:
                    whole = self._ask_whole(transaction, ledger, question)
                    transaction.refuse_rewritten()
                    reader.rows_read += whole.rows
                    part = whole
                else:
                    part = transaction.hold(reader.refresh(question, transaction.number))
            reader.troubled = False
        except SourceError as error:
            reader.troubled, problem = True, f"source {source}: {error}"
        except Exception as error:  # noqa: BLE001 - a bug that one ledger's rows bring out must not hide the others
            self._log_unexpected("reading a ledger failed unexpectedly", ledger=ledger, source=source)
            reader.break_off()
            problem = f"source {source}: unexpected {type(error).__name__}"
        return Reading(ledger, source, perf_counter() - started, reader.rows_read - before, part, problem)

    def _ask_whole(
        self, transaction: Transaction, ledger: LedgerName, question: Question
    ) -> CostPart | ImpactPart | BudgetPart:
        ledgers = self._config.ledgers
        if ledger == "cost":
            return cost.read_whole(transaction, ledgers.cost, question, self._families, self._numbers)
        if ledger == "impact":
            return impact.read_whole(transaction, ledgers.impact, question, self._config.waste)
        return budget.read_whole(transaction, ledgers.budget, question)

    def _reader(self, ledger: LedgerName) -> Reader:
        config = self._config
        if ledger == "cost":
            return Reader(cost.Cost(config.ledgers.cost, self._families, self._numbers))
        if ledger == "impact":
            return Reader(impact.Impact(config.ledgers.impact, config.waste, config.efficiency.top))
        return Reader(budget.Budget(config.ledgers.budget))

    @property
    def is_loading(self) -> bool:
        """Tell whether some ledger is not loaded yet, and can be."""
        return any(self._may_load(*key) for key in self._readers)

    @property
    def task_sums(self) -> int:
        """Return how many sums of single tasks are held: one for each task of two days in every range that charges it."""
        return sum(len(part.task_spend) for reader in self._readers_of("cost") for part in reader.parts())

    def _may_load(self, ledger: LedgerName, source: str) -> bool:
        reader = self._readers[ledger, source]
        return reader.tiling is not None and not reader.is_complete and not reader.troubled

    def load(self, now: datetime, seconds: float, *, stop_early: bool = True) -> None:
        """Load more of what is not loaded yet, for so long or until a window is complete; what fails is tried again later."""
        question, until = Question(now, self._config.efficiency.grace), perf_counter() + seconds
        self._for_each_source(lambda name: self._load_source(name, question, until, stop_early=stop_early))

    def verify(self) -> None:
        """Read some of what was read before again; what differs is corrected. What fails is left for the next time."""
        self._for_each_source(self._verify_source)

    def _for_each_source(self, work: Callable[[str], None]) -> None:
        names = {
            source
            for (_, source), reader in self._readers.items()
            if reader.tiling is not None and not reader.troubled and not self._attempts.has_failed(source)
        }
        if len(names) == 1:
            work(*names)
            return
        with ThreadPoolExecutor(max_workers=max(1, len(names)), thread_name_prefix="source") as workers:
            list(workers.map(work, names))

    def _load_source(self, source: str, question: Question, until: float, *, stop_early: bool) -> None:
        readers = [reader for (_, name), reader in self._readers.items() if name == source]
        windows = [reader.windows(question.today) for reader in readers]
        while True:
            if stop_early and windows != [reader.windows(question.today) for reader in readers]:
                return
            waiting = [ledger for ledger, name in self._readers if name == source and self._may_load(ledger, source)]
            if not waiting:
                return
            # The ledger that lags behind is next: windows become complete in all of them at about the same time.
            ledger = max(waiting, key=lambda name: self._readers[name, source].loaded_from)
            self._load_chunk(ledger, source, question)
            if perf_counter() >= until:
                return

    def _load_chunk(self, ledger: LedgerName, source: str, question: Question) -> None:
        """Load one more piece of a ledger; the next is smaller where asking for it failed, and larger again where not."""
        reader = self._readers[ledger, source]
        asked = False
        try:
            with self._sources[source].snapshot() as transaction, transaction.savepoint():
                asked = True
                transaction.hold(reader.load(question, reader.chunk_rows))
            reader.grow_chunk()
            self._troubles.end("load", ledger, source)
        except SourceError as error:
            if asked:
                reader.halve_chunk()
            reader.troubled = True
            if self._troubles.recur("load", ledger, source):
                extra = {"ledger": ledger, "source": source, "error": str(error)}
                log.warning("loading a ledger failed; trying again", extra=extra)
        except Stopped:
            raise
        except Exception:  # noqa: BLE001 - a bug in one ledger must not hide the others
            self._log_unexpected("loading a ledger failed unexpectedly", ledger=ledger, source=source)
            reader.break_off()

    def _verify_source(self, source: str) -> None:
        readers = [
            reader
            for (_, name), reader in self._readers.items()
            if name == source and reader.is_complete and not reader.troubled
        ]
        if not readers:
            return
        try:
            with self._sources[source].snapshot() as transaction, transaction.savepoint():
                for reader in readers:
                    transaction.hold(reader.verify())
            self._troubles.end("verify", source)
        except SourceError as error:
            if self._troubles.recur("verify", source):
                log.info("verifying was given up for now", extra={"source": source, "error": str(error)})
        except Stopped:
            raise
        except Exception:  # noqa: BLE001 - a bug must not stop passes, nor leave half of what was corrected
            self._log_unexpected("verifying failed unexpectedly", source=source)
            for reader in readers:
                reader.break_off()

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
            whole, known = reduce(add, others, first), self._whole.get(ledger)
            # What is being loaded anew takes the place of what was known when it answers as much.
            if known is None or self._is_old(known, now) or set(windows_on(known, day_of(now))) <= set(whole.windows):
                self._whole[ledger] = whole

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
            progress=min((reader.progress() for reader in self._readers_of(ledger)), default=0.0),
            verified_age=max(
                (age for age in map(Reader.verified_age, self._readers_of(ledger)) if age is not None), default=None
            ),
            corrections=health.corrections + self._new_corrections(ledger),
            rows_read=health.rows_read + sum(reading.rows for reading in readings),
            duration_seconds=max(reading.seconds for reading in readings),
            error="; ".join(error for error in errors.values() if error is not None) or None,
        )
        if current.up:
            current = replace(current, last_success=now.timestamp(), failures_in_a_row=0)
        elif failed:
            current = replace(current, failures_in_a_row=health.failures_in_a_row + 1)
        _log_change(ledger, health, current)
        self._health[ledger] = current

    def _readers_of(self, ledger: LedgerName) -> list[Reader]:
        return [reader for (name, _), reader in self._readers.items() if name == ledger]

    def _new_corrections(self, ledger: LedgerName) -> int:
        return sum(reader.take_corrections() for reader in self._readers_of(ledger))

    def _build(self, now: datetime) -> tuple[Snapshot, list[Family]]:
        """Make the snapshot of all that is known."""
        parts = self._known_parts(now)
        besides = exporter_series(parts, self._health, self._instant, self.reload)
        census = Census(parts, self._rules, self._counters, partial(self._propose, parts.cost), besides)
        labels = self._policy.decide(parts, census)
        proposal = census.proposal(labels)
        if proposal is not None:
            self._counters.take(proposal)
        snapshot = self._snapshot(parts, labels)
        return snapshot, views.families(snapshot)

    def _propose(self, part: CostPart | None, labeller: Labeller) -> Proposal | None:
        """Propose what the counters become: they change with each newly read cost ledger that is loaded."""
        if part is None or part is self._counters.counted or "all" not in part.windows or self.is_loading:
            return None
        return self._counters.propose_part(part, labeller)

    def _known_parts(self, now: datetime) -> Parts:
        """Return the ledgers that are not older than `max_age`."""
        known = {ledger: part for ledger, part in self._whole.items() if not self._is_old(part, now)}
        return Parts(day_of(now), **known)  # type: ignore[arg-type]

    def _is_old(self, part: Part, now: datetime) -> bool:
        return part.instant < (now - self._config.refresh.max_age).timestamp()

    def _snapshot(self, parts: Parts, labels: Labels) -> Snapshot:
        labeller = labels.labeller
        cost_figures = impact_figures = budget_figures = None
        if parts.cost is not None:
            windows = parts.windows(parts.cost)
            cost_figures = assembly.cost_figures(parts.cost, windows, labeller, self._costliest, self._counters.values)
        if parts.impact is not None:
            impact_figures = assembly.impact_figures(parts.impact, parts.windows(parts.impact), labeller, self._config)
        if parts.budget is not None:
            budget_figures = assembly.budget_figures(parts.budget, parts.windows(parts.budget), labeller)
        return Snapshot(
            settings=self._settings,
            health=dict(self._health),
            folds=labels.folds,
            instant=self._instant,
            cost=cost_figures,
            impact=impact_figures,
            budget=budget_figures,
            quest_ids=labels.quest_ids,
            folded={**labels.folded, ",".join(COUNTER_LABELS): self._counters.folded},
            reload=self.reload,
        )


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

    def has_failed(self, source: str) -> bool:
        """Tell whether the last attempt failed."""
        return self._failures.get(source, 0) > 0

    def note(self, source: str, *, failed: bool) -> None:
        """Note how an attempt went."""
        self._failures[source] = self._failures.get(source, 0) + 1 if failed else 0


def _log_change(ledger: LedgerName, before: LedgerHealth, now: LedgerHealth) -> None:
    """Log an outage at its beginning, at growing intervals, and at its end."""
    failures = now.failures_in_a_row
    if failures != before.failures_in_a_row and failures.bit_count() == 1:
        log.warning("ledger cannot be read", extra={"ledger": ledger, "failures": failures, "error": now.error})
    elif not failures and before.failures_in_a_row:
        log.warning("ledger can be read again", extra={"ledger": ledger, "failures": before.failures_in_a_row})
