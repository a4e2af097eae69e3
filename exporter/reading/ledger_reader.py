"""A ledger of one source: either not loaded, or `Loaded`, and the dialogues that read it."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Any

from exporter.databases.query import Dialogue
from exporter.ledgers.ledger import Abilities, Ledger
from exporter.ledgers.probe import probe
from exporter.ledgers.question import Question
from exporter.ledgers.span import Span
from exporter.reading.corrections import correct
from exporter.reading.first_read import first_read
from exporter.reading.ledger_refresh import LedgerRefresh
from exporter.reading.loaded import Loaded
from exporter.reading.pieces import Pieces
from exporter.reading.tuning import Tuning
from exporter.sums import WINDOWS, Part
from exporter.sums.days import MICROSECONDS_A_DAY, first_day
from exporter.sums.range_sums import CostSums, instants
from exporter.sums.ranges import BEGINNING, END
from exporter.sums.tasks import TaskSet

log = logging.getLogger(__name__)

_REMEDY = "ledger-exporter check --deep says which index to make, or why there can be none"


class LedgerReader:
    """Knows a ledger of one source as of the last refresh.

    What a dialogue has read is taken in when it ends, so that a broken one changes nothing.
    """

    def __init__(self, ledger: Ledger[Any, Any, Any], tuning: Tuning) -> None:
        self.ledger = ledger
        self.loaded: Loaded[Any] | None = None
        self.abilities: Abilities | None = None
        self.rows_read = 0
        self.corrections = 0
        self._tuning = tuning
        self._probed: tuple[int, float] | None = None
        self._pieces: Pieces[Any] = Pieces(ledger)

    def forget(self) -> None:
        """Return to the state before anything was loaded."""
        self.loaded = None

    def distrust(self) -> None:
        """Ask again what server and relation can do before the next reading: after an error they may be others."""
        self._probed = None

    # What is known

    @property
    def is_complete(self) -> bool:
        """Tell whether the whole ledger is loaded."""
        return self.loaded is not None and self.loaded.settled.is_complete

    @property
    def must_read_whole(self) -> bool:
        """Tell whether the database must add up the whole ledger, for want of an index."""
        return self.abilities is not None and self.abilities.must_read_whole

    @property
    def loaded_from(self) -> int:
        """Return from which instant on everything is loaded, in microseconds since 1970."""
        return END if self.loaded is None else self.loaded.settled.tiling.start

    def can_be_batched(self, question: Question, connection: int) -> bool:
        """Tell whether it may be read together with others: it was read before on this connection, and is not to be probed."""
        loaded = self.loaded
        return (
            loaded is not None and loaded.connection == connection and not self._is_to_be_probed(question, connection)
        )

    def progress(self) -> float:
        """Return the share of the ledger's time that is loaded, 1 when all is."""
        if self.must_read_whole:
            return 1.0
        if self.loaded is None:
            return 0.0
        start, oldest = self.loaded_from, self.loaded.state.oldest
        if self.is_complete or oldest is None or start <= oldest:
            return 1.0
        now = self.loaded.question.microseconds
        return max(0.0, min(1.0, (now - start) / max(1, now - oldest)))

    def verified_age(self) -> float | None:
        """Return the seconds since the least recently verified range was read or verified, None while nothing is known."""
        if self.loaded is None:
            return None
        now = self.loaded.question.now.timestamp()
        return now - min((each.verified for each in self.loaded.settled), default=now)

    def take_corrections(self) -> int:
        """Return how many corrections there were since this was asked last."""
        corrections, self.corrections = self.corrections, 0
        return corrections

    def lateness(self) -> float | None:
        """Return the largest time from a row's instant to the refresh that first saw it, over the last hour, in seconds."""
        return None if self.loaded is None else self.loaded.lateness.largest()

    def task_sets(self) -> Iterator[TaskSet]:
        """Yield all sets of tasks there are of the ledger."""
        if self.loaded is not None:
            for sums in (self.loaded.newest.sums, self.loaded.future.sums, *self.loaded.settled.sums()):
                if isinstance(sums, CostSums):
                    yield from sums.tasks.values()

    def windows(self, today: int) -> tuple[str, ...]:
        """Return the windows for which every row is loaded."""
        if self.loaded is None:
            return ()
        start, oldest = self.loaded_from, self.loaded.state.oldest
        if self.is_complete or oldest is None or start <= oldest:
            return WINDOWS
        first_days = ((window, first_day(window, today)) for window in WINDOWS)
        return tuple(window for window, day in first_days if day is not None and start <= day * MICROSECONDS_A_DAY)

    @property
    def is_hurried(self) -> bool:
        """Tell whether there is reason to verify more at once."""
        return self.loaded is not None and self.loaded.verifier.is_hurried

    # A refresh

    def probe(self, question: Question, connection: int) -> Dialogue[None]:
        """Learn what server and relation can do, where that is not known of this connection."""
        if self._is_to_be_probed(question, connection):
            before = self.must_read_whole
            self.abilities = yield from probe(self.ledger, question)
            self._probed = connection, question.now.timestamp()
            if self.must_read_whole and not before:
                log.warning(
                    "no index leads to the instants of this ledger: it is read whole at each refresh",
                    extra={"ledger": self.ledger.name, "rows": self.abilities.rows, "remedy": _REMEDY},
                )

    def _is_to_be_probed(self, question: Question, connection: int) -> bool:
        """Tell whether it is time to ask: what is read whole for want of an index is asked about each time."""
        if self._probed is None or self._probed[0] != connection or self.must_read_whole:
            return True
        return abs(question.now.timestamp() - self._probed[1]) >= self._tuning.probe_seconds

    @property
    def _able(self) -> Abilities:
        assert self.abilities is not None  # noqa: S101 - probed before anything else is asked
        return self.abilities

    def refresh(self, question: Question, connection: int) -> Dialogue[Part]:
        """Read what is new and return what is known of the whole ledger. `connection` differs on every new connection."""
        loaded = self.loaded
        if loaded is not None and question.today < loaded.question.today:
            loaded = None  # what days were put together cannot be taken apart
        if loaded is None:
            self.loaded = yield from first_read(self.ledger, self._tuning, self._able, question, connection)
            self.rows_read += self.loaded.newest.sums.rows + self.loaded.future.sums.rows
        else:
            refresh = LedgerRefresh(self.ledger, self._tuning, self._able, loaded, question)
            self.rows_read += yield from refresh.run(connection)
            loaded.connection = connection
            if loaded.fingerprint != self._able.fingerprint:  # all ranges differ by another one: all are read again
                loaded.fingerprint = self._able.fingerprint
                loaded.verifier.hurry()
        return self._part(question)

    def _part(self, question: Question) -> Part:
        loaded = self.loaded
        assert loaded is not None  # noqa: S101 - it was just refreshed
        sums, newest, future = loaded.settled.sums(), loaded.newest.sums, loaded.future.sums
        rejected = {
            reason: number + newest.rejected[reason] + future.rejected[reason]
            for reason, number in loaded.settled.totals.rejected.items()
        }
        rejected["instant"] += loaded.state.unplaced
        base = Part(
            instant=question.now.timestamp(),
            today=question.today,
            windows=self.windows(question.today),
            rejected=rejected,
            newest=instants((newest, *sums)),
        )
        part: Part = self.ledger.part(question, base, loaded.settled.totals, sums, newest)
        return part

    # Between refreshes

    def load(self, question: Question, rows: int) -> Dialogue[int]:
        """Load about this many more rows of what is not loaded yet, going back in time; return how many were read."""
        loaded = self.loaded
        if loaded is None or self.is_complete:
            return 0
        settled, end = loaded.settled, self.loaded_from
        piece = yield from self._pieces.read(Span(BEGINNING, end), question, self._able, rows)
        size = settled.size_at(end, question)
        settled.put(piece.where.start, end, settled.made_of(piece.rows, piece.where, question, size))
        if loaded.ids is not None:
            loaded.ids.settle(((row[0], row[1]) for row in piece.rows), piece.where)
        loaded.seen.see_older(piece.where.start, end, [row[1] for row in piece.rows])
        self.rows_read += len(piece.rows)
        return len(piece.rows)

    def verify(self) -> Dialogue[int]:
        """Verify some settled ranges, correct what differs, and return how many rows were verified.

        They are judged as of the last refresh: what the clock decided since then is no correction.
        """
        loaded = self.loaded
        if loaded is None or not self.is_complete:
            return 0
        cycles = loaded.verifier.cycles
        findings = yield from loaded.verifier.step(
            loaded.settled.tiling, loaded.settled.totals.rows, loaded.question, self._able
        )
        corrections, rows = correct(self.ledger, loaded, findings)
        self.corrections += corrections
        self.rows_read += rows
        if loaded.verifier.cycles > cycles:
            loaded.hints.end_cycle(loaded.question.now.timestamp(), is_clean=loaded.verifier.is_clean)
        return findings.rows
