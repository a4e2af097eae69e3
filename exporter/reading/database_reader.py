"""One database and its ledgers: how they are read, and what becomes of errors."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from time import perf_counter

from exporter.config import LedgerName
from exporter.incremental.reader import Reader
from exporter.ledgers.source import Question, Source, Transaction, together
from exporter.parts import Part, TaskNumbers
from exporter.parts.tasks import TaskSet
from exporter.reading.attempts import Attempts, Problem
from exporter.reading.back_off import BackOff
from exporter.reading.ledgers import Rows
from exporter.reading.reading import Reading

_SHARE_TOGETHER = 0.5
"""Of the time for a source, what reading all its ledgers at once may take before each is read on its own."""

_VERIFYING_FAILED = "verifying was given up for now"
_LOADING_FAILED = "loading a ledger failed; trying again"


class DatabaseReader:
    """Reads the ledgers of one database. An error of one ledger is that ledger's alone; nothing is raised but `Stopped`."""

    def __init__(
        self,
        source: Source,
        rows: Mapping[LedgerName, Rows],
        numbers: TaskNumbers,
        former: DatabaseReader | None = None,
        *,
        whole: bool = False,
    ) -> None:
        """`former` has read the source before: what it knows of rows that mean the same is kept.

        With `whole` every refresh reads the ledgers whole: slow, simple, and the reference for all other reading.
        """
        self._source = source
        self._rows = rows
        self._numbers = numbers
        self._reads_whole = whole
        kept = {} if former is None else former.readers_of(rows)
        self.ledgers = {ledger: kept.get(ledger) or each.reader(numbers) for ledger, each in rows.items()}
        self._reads = {ledger: BackOff() for ledger in rows}
        self._loads = {ledger: BackOff() for ledger in rows}
        self._attempts = Attempts(source.name)

    def readers_of(self, rows: Mapping[LedgerName, Rows]) -> dict[LedgerName, Reader]:
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

    def read(self, question: Question) -> list[Reading]:
        """Read the ledgers in one snapshot of the database, but for those that are backed off."""
        due = [
            ledger
            for ledger in reversed(self.ledgers)  # the cost ledger, the largest, has all the time the others leave
            if self._reads[ledger].is_due and not self._loads[ledger].has_just_failed
        ]
        if not due:
            return []
        started = perf_counter()
        readings = self._attempts.run(
            "reading a source failed unexpectedly", (), partial(self._read_all, due, question)
        )
        if isinstance(readings, Problem):
            seconds = perf_counter() - started
            readings = [Reading(ledger, self._source.name, seconds, error=readings.words) for ledger in due]
        for reading in readings:
            self._reads[reading.ledger].note(failed=reading.part is None)
        return [self._with_health(reading) for reading in readings]

    def load(self, question: Question, until: float, *, stop_early: bool = True) -> list[Reading]:
        """Load more of what is not loaded yet, until an instant or until a window is complete; return what failed."""
        failed = []
        windows = [reader.windows(question.today) for reader in self.ledgers.values()]
        while waiting := [ledger for ledger in self.ledgers if self._may_load(ledger)]:
            # The ledger that lags behind is next: windows become complete in all of them at about the same time.
            ledger = max(waiting, key=lambda name: self.ledgers[name].loaded_from)
            problem = self._load_chunk(ledger, question)
            self._loads[ledger].note(failed=problem is not None)
            if problem is not None:
                failed.append(Reading(ledger, self._source.name, 0.0, error=problem.words))
            if perf_counter() >= until or (
                stop_early and windows != [reader.windows(question.today) for reader in self.ledgers.values()]
            ):
                break
        return failed

    def verify(self) -> None:
        """Read some of what was read before again; what differs is corrected. What fails is left for the next time."""
        readers = [
            reader
            for ledger, reader in self.ledgers.items()
            if reader.is_complete and not reader.troubled and not self._reads[ledger].has_failed
        ]
        if not readers:
            return
        problem = self._attempts.run("verifying failed unexpectedly", readers, partial(self._verify_all, readers))
        if problem is None:
            self._attempts.succeed(_VERIFYING_FAILED)
        else:
            self._attempts.log(logging.INFO, _VERIFYING_FAILED, problem)

    def _read_all(self, ledgers: Sequence[LedgerName], question: Question) -> list[Reading]:
        with self._source.snapshot() as transaction:
            return self._read_together(transaction, ledgers, question) or [
                self._read_ledger(transaction, ledger, question, 1 / (len(ledgers) - position))
                for position, ledger in enumerate(ledgers)
            ]

    def _read_together(
        self, transaction: Transaction, ledgers: Sequence[LedgerName], question: Question
    ) -> list[Reading]:
        """Read ledgers in few round trips; nothing where that was not possible: then each is read on its own."""
        readers = [self.ledgers[ledger] for ledger in ledgers]
        if not all(reader.is_at_ease(question, transaction.number) for reader in readers):
            return []

        def read() -> list[Part]:
            with transaction.savepoint(_SHARE_TOGETHER):
                return transaction.hold(together([reader.refresh(question, transaction.number) for reader in readers]))

        started, before = perf_counter(), [reader.rows_read for reader in readers]
        parts = self._attempts.run("reading ledgers together failed unexpectedly", readers, read)
        if isinstance(parts, Problem):
            for reader in readers:
                reader.troubled = True
            return []
        seconds = perf_counter() - started
        return [
            Reading(ledger, self._source.name, seconds, reader.rows_read - rows, part)
            for ledger, reader, part, rows in zip(ledgers, readers, parts, before, strict=True)
        ]

    def _read_ledger(self, transaction: Transaction, ledger: LedgerName, question: Question, share: float) -> Reading:
        """Read one ledger inside a savepoint, so that its errors do not affect the others."""
        reader = self.ledgers[ledger]

        def read() -> Part:
            with transaction.savepoint(share):
                transaction.hold(reader.probe(question, transaction.number))
                if not self._reads_whole and not reader.must_read_whole:
                    return transaction.hold(reader.refresh(question, transaction.number))
                whole = self._rows[ledger].whole(transaction, question, self._numbers)
                transaction.refuse_rewritten()
                reader.rows_read += whole.rows
                return whole

        started, before = perf_counter(), reader.rows_read
        part = self._attempts.run("reading a ledger failed unexpectedly", [reader], read, ledger=ledger)
        reading = Reading(ledger, self._source.name, perf_counter() - started, reader.rows_read - before)
        reader.troubled = isinstance(part, Problem)
        if isinstance(part, Problem):
            source = f"source {self._source.name}: " if part.foreseen else ""
            return replace(reading, error=source + part.words)
        return replace(reading, part=part)

    def _with_health(self, reading: Reading) -> Reading:
        reader = self.ledgers[reading.ledger]
        return replace(
            reading,
            progress=reader.progress(),
            verified_age=reader.verified_age(),
            corrections=reader.take_corrections(),
        )

    def _may_load(self, ledger: LedgerName) -> bool:
        reader = self.ledgers[ledger]
        if reader.tiling is None or reader.is_complete or reader.troubled:
            return False
        return self._loads[ledger].is_due and not self._reads[ledger].has_failed

    def _load_chunk(self, ledger: LedgerName, question: Question) -> Problem | None:
        """Load the next chunk. Halve its size where asking for it failed, grow it where it did not."""
        reader, asked = self.ledgers[ledger], False

        def load() -> None:
            nonlocal asked
            with self._source.snapshot() as transaction, transaction.savepoint():
                asked = True
                transaction.hold(reader.load(question, reader.chunk_rows))

        problem = self._attempts.run("loading a ledger failed unexpectedly", [reader], load, ledger=ledger)
        if problem is None:
            reader.grow_chunk()
            self._attempts.succeed(_LOADING_FAILED, ledger=ledger)
            return None
        reader.troubled = True
        if asked and problem.foreseen:
            reader.halve_chunk()
        self._attempts.log(logging.WARNING, _LOADING_FAILED, problem, ledger=ledger)
        return problem

    def _verify_all(self, readers: Sequence[Reader]) -> None:
        with self._source.snapshot() as transaction, transaction.savepoint():
            for reader in readers:
                transaction.hold(reader.verify())
