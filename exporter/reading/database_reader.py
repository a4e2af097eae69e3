"""One database and its ledgers: how they are read, and what becomes of errors."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from time import perf_counter

from exporter.config import LedgerName
from exporter.databases.postgresql import Source, Transaction
from exporter.databases.query import together
from exporter.ledgers.question import Question
from exporter.parts import Part, TaskNumbers
from exporter.parts.tasks import TaskSet
from exporter.reading.attempts import Attempts, Problem
from exporter.reading.back_off import BackOff
from exporter.reading.ledger_reader import LedgerReader
from exporter.reading.ledgers import Rows
from exporter.reading.piece_size import PieceSize
from exporter.reading.reading import Reading
from exporter.reading.tuning import Tuning

_VERIFYING_FAILED = "verification was given up for now"
_LOADING_FAILED = "loading a ledger failed; trying again"


class DatabaseReader:
    """Reads the ledgers of one database. An error of one ledger is that ledger's alone; nothing is raised but `Stopped`."""

    def __init__(
        self,
        source: Source,
        rows: Mapping[LedgerName, Rows],
        numbers: TaskNumbers,
        tuning: Tuning,
        former: DatabaseReader | None = None,
    ) -> None:
        """`former` has read the source before: what it knows of rows that mean the same is kept."""
        self._source = source
        self._rows = rows
        self._numbers = numbers
        self._tuning = tuning
        kept = {} if former is None else former.readers_of(rows)
        self.ledgers = {ledger: kept.get(ledger) or each.reader(numbers, tuning) for ledger, each in rows.items()}
        self._reads = {ledger: BackOff() for ledger in rows}
        self._loads = {ledger: BackOff() for ledger in rows}
        self.sizes = {ledger: PieceSize(tuning) for ledger in rows}
        self._attempts = Attempts(source.name)

    def readers_of(self, rows: Mapping[LedgerName, Rows]) -> dict[LedgerName, LedgerReader]:
        """Return the readers of ledgers whose rows mean the same as these."""
        return {ledger: self.ledgers[ledger] for ledger, each in rows.items() if self._rows.get(ledger) == each}

    @property
    def is_loading(self) -> bool:
        """Tell whether some ledger is not loaded yet, and can be."""
        return any(map(self._may_load, self.ledgers))

    def task_sets(self) -> Iterator[TaskSet] | None:
        """Return all sets of numbers of tasks that are held, None while not all rows are known."""
        reader = self.ledgers.get("cost")
        if reader is None:
            return iter(())
        return reader.task_sets() if reader.is_complete else None

    def begin(self) -> None:
        """Begin a refresh: what has failed in the one before may be tried again."""
        for back_off in (*self._reads.values(), *self._loads.values()):
            back_off.begin()

    # A refresh

    def read(self, question: Question) -> list[Reading]:
        """Read the ledgers in one snapshot of the database, but for those that are backed off.

        Where a query fails, its ledger is left out and the others are read again, in another snapshot.
        """
        due = [
            ledger for ledger in self.ledgers if self._reads[ledger].is_due and not self._loads[ledger].has_just_failed
        ]
        found: dict[LedgerName, Reading] = {}
        for _ in range(len(due) + 1):  # once more than there are ledgers: a prepared statement may have gone as well
            left = [ledger for ledger in due if ledger not in found]
            if not left:
                break
            started = perf_counter()
            work = partial(self._read_all, left, question, found)
            readers = [self.ledgers[ledger] for ledger in left]
            problem = self._attempts.run("reading a source failed unexpectedly", readers, work)
            if isinstance(problem, Problem):
                found |= self._failed(problem, [ledger for ledger in due if ledger not in found], started)
        for ledger, reading in found.items():
            self._reads[ledger].note(failed=reading.part is None)
        return [self._with_health(reading) for reading in found.values()]

    def _failed(self, problem: Problem, ledgers: Sequence[LedgerName], started: float) -> dict[LedgerName, Reading]:
        """Return the outcome for the ledger whose query failed, or for all where that is not known."""
        if problem.kind == "statement":
            self._source.drop_statements()  # the next attempt has a new connection
            return {}
        own = [ledger for ledger in ledgers if ledger == problem.owner] or ledgers
        seconds = perf_counter() - started
        return {ledger: Reading(ledger, self._source.name, seconds, error=problem.words) for ledger in own}

    def _read_all(self, ledgers: Sequence[LedgerName], question: Question, found: dict[LedgerName, Reading]) -> None:
        """Read ledgers in one snapshot: at first together, in few round trips, those that were read before."""
        with self._source.snapshot() as transaction:
            batched = [ledger for ledger in ledgers if self._can_be_batched(ledger, question, transaction)]
            if batched:
                found |= self._read_together(transaction, batched, question)
            for ledger in ledgers:
                if ledger not in batched:
                    found[ledger] = self._read_alone(transaction, ledger, question)

    def _can_be_batched(self, ledger: LedgerName, question: Question, transaction: Transaction) -> bool:
        has_failed = self._reads[ledger].has_failed or self._loads[ledger].has_failed
        return not has_failed and self.ledgers[ledger].can_be_batched(question, transaction.number)

    def _read_together(
        self, transaction: Transaction, ledgers: Sequence[LedgerName], question: Question
    ) -> dict[LedgerName, Reading]:
        started, readers = perf_counter(), [self.ledgers[ledger] for ledger in ledgers]
        before = [reader.rows_read for reader in readers]
        parts = transaction.hold(together([reader.refresh(question, transaction.number) for reader in readers]))
        seconds = perf_counter() - started
        return {
            ledger: Reading(ledger, self._source.name, seconds, reader.rows_read - rows, part)
            for ledger, reader, part, rows in zip(ledgers, readers, parts, before, strict=True)
        }

    def _read_alone(self, transaction: Transaction, ledger: LedgerName, question: Question) -> Reading:
        """Read one ledger inside a savepoint, so that its errors do not affect those read before."""
        reader = self.ledgers[ledger]

        def read() -> Part:
            with transaction.savepoint():
                transaction.hold(reader.probe(question, transaction.number))
                if not (reader.must_read_whole or self._tuning.reads_whole):
                    return transaction.hold(reader.refresh(question, transaction.number))
                whole = self._rows[ledger].whole(transaction, question, self._numbers)
                transaction.refuse_rewritten()
                reader.rows_read += whole.rows
                return whole

        started, before = perf_counter(), reader.rows_read
        part = self._attempts.run("reading a ledger failed unexpectedly", [reader], read, ledger=ledger)
        reading = Reading(ledger, self._source.name, perf_counter() - started, reader.rows_read - before)
        if isinstance(part, Problem):
            prefix = f"source {self._source.name}: "
            is_named = not part.foreseen or part.words.startswith(prefix)
            return replace(reading, error=part.words if is_named else prefix + part.words)
        return replace(reading, part=part)

    def _with_health(self, reading: Reading) -> Reading:
        reader = self.ledgers[reading.ledger]
        return replace(
            reading,
            progress=reader.progress(),
            verified_age=reader.verified_age(),
            corrections=reader.take_corrections(),
            lateness=reader.lateness(),
        )

    # Between refreshes

    def load(self, question: Question, until: float, *, stop_early: bool = True) -> list[Reading]:
        """Load more of what is not loaded yet, until an instant or until a window is complete; return what failed.

        The database rests as long as it has worked; the time that is spent on its rows meanwhile counts as rest.
        """
        failed = []
        windows = self._windows(question)
        while waiting := [ledger for ledger in self.ledgers if self._may_load(ledger)]:
            # The ledger that lags behind is next: windows become complete in all of them at about the same time.
            ledger = max(waiting, key=lambda name: self.ledgers[name].loaded_from)
            started = perf_counter()
            problem = self._load_piece(ledger, question)
            self._loads[ledger].note(failed=problem is not None)
            if problem is not None:
                failed.append(Reading(ledger, self._source.name, 0.0, error=problem.words))
            if perf_counter() >= until or (stop_early and windows != self._windows(question)):
                break
            self._source.rest(2 * self._source.waited - (perf_counter() - started))
        return failed

    def _windows(self, question: Question) -> list[tuple[str, ...]]:
        return [reader.windows(question.today) for reader in self.ledgers.values()]

    def _may_load(self, ledger: LedgerName) -> bool:
        reader = self.ledgers[ledger]
        is_begun = reader.loaded is not None and not reader.is_complete
        return is_begun and self._loads[ledger].is_due and not self._reads[ledger].has_failed

    def _load_piece(self, ledger: LedgerName, question: Question) -> Problem | None:
        """Load the next piece. Halve its size where asking for it failed or took long, grow it otherwise."""
        reader, size, asked, started = self.ledgers[ledger], self.sizes[ledger], False, perf_counter()

        def load() -> None:
            nonlocal asked
            with self._source.snapshot() as transaction:
                asked = True
                transaction.hold(reader.load(question, size.rows))

        problem = self._attempts.run("loading a ledger failed unexpectedly", [reader], load, ledger=ledger)
        if problem is None:
            size.note(perf_counter() - started)
            self._attempts.succeed(_LOADING_FAILED, ledger=ledger)
            return None
        if asked and problem.foreseen:
            size.halve()
        self._attempts.log(logging.WARNING, _LOADING_FAILED, problem, ledger=ledger)
        return problem

    def verify(self) -> None:
        """Verify some of what was read; where there is reason to hurry, for some time. Failures wait for the next time."""
        until = perf_counter() + self._tuning.hurried_seconds
        while True:
            started = perf_counter()
            readers = [reader for ledger, reader in self.ledgers.items() if self._may_verify(ledger)]
            if not readers:
                return
            work: Callable[[], None] = partial(self._verify_all, readers)
            problem = self._attempts.run("verifying failed unexpectedly", readers, work)
            if problem is not None:
                self._attempts.log(logging.INFO, _VERIFYING_FAILED, problem)
                return
            self._attempts.succeed(_VERIFYING_FAILED)
            if perf_counter() >= until or not any(reader.is_hurried for reader in readers):
                return
            self._source.rest(perf_counter() - started)

    def _may_verify(self, ledger: LedgerName) -> bool:
        return self.ledgers[ledger].is_complete and not self._reads[ledger].has_failed

    def _verify_all(self, readers: Sequence[LedgerReader]) -> None:
        with self._source.snapshot() as transaction:
            transaction.hold(together([reader.verify() for reader in readers]))
