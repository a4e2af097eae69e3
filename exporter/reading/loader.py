"""The first load of the ledgers of one source, between refreshes: piece by piece, back in time."""

from __future__ import annotations

import logging
from collections.abc import Collection, Mapping
from time import perf_counter

from exporter.config import LedgerName
from exporter.databases.postgresql import Source
from exporter.ledgers.question import Question
from exporter.reading.attempts import Attempts, Problem
from exporter.reading.back_off import BackOff
from exporter.reading.ledger_reader import LedgerReader
from exporter.reading.piece_size import PieceSize
from exporter.reading.reading import Reading
from exporter.reading.tuning import Tuning

_LOADING_FAILED = "loading a ledger failed; trying again"


class Loader:
    """Loads what is not known yet, with a back-off of its own for each ledger."""

    def __init__(
        self, source: Source, ledgers: Mapping[LedgerName, LedgerReader], attempts: Attempts, tuning: Tuning
    ) -> None:
        self._source = source
        self._ledgers = ledgers
        self._attempts = attempts
        self._loads = {ledger: BackOff() for ledger in ledgers}
        self.sizes = {ledger: PieceSize(tuning) for ledger in ledgers}

    def begin(self) -> None:
        """Begin a refresh: what has failed in the one before may be tried again."""
        for back_off in self._loads.values():
            back_off.begin()

    def has_failed(self, ledger: LedgerName) -> bool:
        """Tell whether the last attempt to load a ledger failed."""
        return self._loads[ledger].has_failed

    def has_just_failed(self, ledger: LedgerName) -> bool:
        """Tell whether an attempt to load a ledger failed since the refresh began."""
        return self._loads[ledger].has_just_failed

    def waiting(self, failed_reads: Collection[LedgerName]) -> list[LedgerName]:
        """Return the ledgers that are not loaded yet, and can be: not those whose reading has failed."""
        return [
            ledger
            for ledger, reader in self._ledgers.items()
            if reader.loaded is not None
            and not reader.is_complete
            and self._loads[ledger].is_due
            and ledger not in failed_reads
        ]

    def load(
        self, question: Question, until: float, failed_reads: Collection[LedgerName], *, stop_early: bool
    ) -> list[Reading]:
        """Load more of what is not loaded yet, until an instant or until a window is complete; return what failed.

        Ledgers whose reading has failed are left out.
        The database rests as long as it has worked; the time that is spent on its rows meanwhile counts as rest.
        """
        failed = []
        windows = self._windows(question)
        while waiting := self.waiting(failed_reads):
            # The ledger that lags behind is next: windows become complete in all of them at about the same time.
            ledger = max(waiting, key=lambda name: self._ledgers[name].loaded_from)
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
        return [reader.windows(question.today) for reader in self._ledgers.values()]

    def _load_piece(self, ledger: LedgerName, question: Question) -> Problem | None:
        """Load the next piece. Halve its size where asking for it failed or took long, grow it otherwise."""
        reader, size, asked, started = self._ledgers[ledger], self.sizes[ledger], False, perf_counter()

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
