"""One database and its ledgers: how they are read, and what becomes of errors."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from time import perf_counter

from exporter.config import LedgerName
from exporter.databases.postgresql import Source
from exporter.databases.query import together
from exporter.databases.transaction import Transaction
from exporter.ledgers.question import Question
from exporter.reading.attempts import Attempts, Problem
from exporter.reading.back_off import BackOff
from exporter.reading.ledger_reader import LedgerReader
from exporter.reading.ledgers import Rows
from exporter.reading.loader import Loader
from exporter.reading.reading import Reading
from exporter.reading.tuning import Tuning
from exporter.sums import Part, TaskNumbers
from exporter.sums.tasks import TaskSet

_SHARE_TOGETHER = 0.5
"""Of the time that is left a query of ledgers that are read together may take so much: the rest is for the other ledgers."""
_VERIFYING_FAILED = "verification was given up for now"


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
        self._attempts = Attempts(source.name)
        self.loader = Loader(source, self.ledgers, self._attempts, tuning)

    def readers_of(self, rows: Mapping[LedgerName, Rows]) -> dict[LedgerName, LedgerReader]:
        """Return the readers of ledgers whose rows mean the same as these."""
        return {ledger: self.ledgers[ledger] for ledger, each in rows.items() if self._rows.get(ledger) == each}

    @property
    def is_loading(self) -> bool:
        """Tell whether some ledger is not loaded yet, and can be."""
        return bool(self.loader.waiting(self._failed_reads))

    def task_sets(self) -> Iterator[TaskSet] | None:
        """Return all sets of numbers of tasks that are held, None while not all rows are known."""
        reader = self.ledgers.get("cost")
        if reader is None:
            return iter(())
        return reader.task_sets() if reader.is_complete else None

    def begin(self) -> None:
        """Begin a refresh: what has failed in the one before may be tried again."""
        for back_off in self._reads.values():
            back_off.begin()
        self.loader.begin()

    # A refresh

    def read(self, question: Question) -> list[Reading]:
        """Read the ledgers in one snapshot of the database, but for those that are backed off.

        Where a query fails, its ledger is left out and the others are read again: in another snapshot, in the time left.
        """
        deadline = self._source.deadline()
        due = [
            ledger for ledger in self.ledgers if self._reads[ledger].is_due and not self.loader.has_just_failed(ledger)
        ]
        found: dict[LedgerName, Reading] = {}
        has_dropped = False
        again: set[LedgerName] = set()
        while left := [ledger for ledger in due if ledger not in found]:
            started = perf_counter()
            work = partial(self._read_all, left, question, found, deadline)
            readers = [self.ledgers[ledger] for ledger in left]
            problem = self._attempts.run("reading a source failed unexpectedly", readers, work)
            if isinstance(problem, Problem) and problem.kind == "statement" and not has_dropped:
                has_dropped = True
                self._source.drop_statements()  # the next attempt has a new connection
            elif isinstance(problem, Problem) and (other := self._to_be_probed(problem, left)) and not again & other:
                again |= other  # it may be a view by now, or have other columns: it is asked about, and read alone
            elif isinstance(problem, Problem):
                seconds = perf_counter() - started
                rest = [ledger for ledger in left if ledger not in found]
                own = [problem.owner] if problem.owner in rest else rest  # whose query failed, if that is known
                found |= {name: Reading(name, self._source.name, seconds, error=problem.words) for name in own}
        for ledger, reading in found.items():
            self._reads[ledger].note(failed=reading.part is None)
        return [self._with_health(reading) for reading in found.values()]

    def _to_be_probed(self, problem: Problem, ledgers: Sequence[LedgerName]) -> set[LedgerName]:
        """Return the ledger whose query was refused, if one was, and let it be probed."""
        found = {ledger for ledger in ledgers if ledger == problem.owner and problem.kind == "query"}
        for ledger in found:
            self.ledgers[ledger].distrust()
        return found

    def _read_all(
        self, ledgers: Sequence[LedgerName], question: Question, found: dict[LedgerName, Reading], deadline: float
    ) -> None:
        """Read ledgers in one snapshot: at first together, in few round trips, those that were read before."""
        share = _SHARE_TOGETHER if len(ledgers) > 1 else 1
        with self._source.snapshot(deadline, share) as transaction:
            batched = [ledger for ledger in ledgers if self._can_be_batched(ledger, question, transaction)]
            if batched:
                found |= self._read_together(transaction, batched, question)
            others = [ledger for ledger in ledgers if ledger not in batched]
            for position, ledger in enumerate(others):
                found[ledger] = self._read_alone(transaction, ledger, question, 1 / (len(others) - position))

    def _can_be_batched(self, ledger: LedgerName, question: Question, transaction: Transaction) -> bool:
        has_failed = self._reads[ledger].has_failed or self.loader.has_failed(ledger)
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

    def _read_alone(self, transaction: Transaction, ledger: LedgerName, question: Question, share: float) -> Reading:
        """Read one ledger inside a savepoint, in a share of the time that is left, so that it does not affect the others."""
        reader = self.ledgers[ledger]

        def read() -> Part:
            with transaction.savepoint(share):
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
            reader.distrust()
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
        """Load more of what is not loaded yet, until an instant or until a window is complete; return what failed."""
        return self.loader.load(question, until, self._failed_reads, stop_early=stop_early)

    @property
    def _failed_reads(self) -> set[LedgerName]:
        return {ledger for ledger, back_off in self._reads.items() if back_off.has_failed}

    def verify(self) -> None:
        """Verify some of what was read; where there is reason to hurry, for some time. Failures wait for the next time."""
        until = perf_counter() + self._tuning.hurried_seconds
        left = {ledger: reader for ledger, reader in self.ledgers.items() if self._may_verify(ledger)}
        while left:
            started = perf_counter()
            work = partial(self._verify_all, list(left.values()))
            problem = self._attempts.run("verifying failed unexpectedly", list(left.values()), work)
            if problem is None:
                self._attempts.succeed(_VERIFYING_FAILED)
                for ledger in left:
                    self._attempts.succeed(_VERIFYING_FAILED, ledger=ledger)
                if perf_counter() >= until or not any(reader.is_hurried for reader in left.values()):
                    return
                self._source.rest(perf_counter() - started)
            else:
                failed = [ledger for ledger in left if ledger == problem.owner]
                fields: dict[str, str] = {"ledger": problem.owner} if failed else {}
                self._attempts.log(logging.INFO, _VERIFYING_FAILED, problem, **fields)
                left = {ledger: reader for ledger, reader in left.items() if failed and ledger not in failed}

    def _may_verify(self, ledger: LedgerName) -> bool:
        return self.ledgers[ledger].is_complete and not self._reads[ledger].has_failed

    def _verify_all(self, readers: Sequence[LedgerReader]) -> None:
        with self._source.snapshot() as transaction:
            transaction.hold(together([reader.verify() for reader in readers]))
