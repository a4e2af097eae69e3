"""The incremental engine with its readers open to view: rows read, ranges kept, parts compared with the ledgers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from itertools import count
from typing import Any
from unittest.mock import patch

from exporter.databases.postgresql import Source
from exporter.databases.query import Query, Result, ask
from exporter.databases.transaction import Transaction
from exporter.errors import SourceError
from exporter.ledgers.ledger import Ledger
from exporter.ledgers.question import Question
from exporter.ledgers.span import Span
from exporter.reading.ledger_reader import LedgerReader
from exporter.reading.loaded import Loaded
from exporter.reading.piece_size import PieceSize
from exporter.refresher import Refresher
from exporter.sums.days import MICROSECONDS_A_DAY
from exporter.sums.ranges import BEGINNING
from tests.oracle import Key, Options
from tests.support.product import Product, samples


class Engine(Product):
    """An exporter whose readers can be looked at, and which walks when told."""

    def __init__(self, shards: Sequence[str], options: Options | None = None) -> None:
        super().__init__(shards, options)
        self._shards = shards

    @property
    def inner(self) -> Refresher:
        """The refresh itself."""
        return self._refresh

    @property
    def readers(self) -> dict[tuple[str, str], LedgerReader]:
        """The readers by ledger and source."""
        databases = self._refresh.readers.databases
        return {(ledger, name): one for name, database in databases.items() for ledger, one in database.ledgers.items()}

    def reader(self, ledger: str) -> LedgerReader:
        """The reader of a ledger in the first source."""
        return self.readers[ledger, "shard0"]

    @property
    def sources(self) -> dict[str, Source]:
        """The databases by name."""
        return self._sources

    def piece(self, ledger: str) -> PieceSize:
        """The size of the pieces in which a ledger of the first source is loaded."""
        return self._refresh.readers.databases["shard0"].loader.sizes[ledger]  # type: ignore[index]

    def rows_of_a_refresh(self, now: datetime) -> dict[str, int]:
        """Refresh; return how many rows of each ledger were read."""
        before = {ledger: one.rows_read for (ledger, _), one in self.readers.items()}
        self.refresh(now)
        return {ledger: one.rows_read - before[ledger] for (ledger, _), one in self.readers.items()}

    def caught_up(self, now: datetime) -> dict[Key, float]:
        """Refresh until nothing is carried over."""
        sat_out = False
        for _ in range(200):
            published = self.run(now)
            errors = [health.error for health in self._refresh.kept.holding.health.values() if health.error]
            assert not (errors and sat_out), errors
            sat_out = bool(errors)
            if not sat_out and not any(loaded.carried_over for _, _, loaded in self._loaded()):
                return samples(published)
        raise AssertionError("what is carried over never ends")

    def _loaded(self) -> Iterator[tuple[str, LedgerReader, Loaded[Any]]]:
        """The ledgers that are loaded, with their readers and sources."""
        for (_, source), reader in self.readers.items():
            if reader.loaded is not None:
                yield source, reader, reader.loaded

    def walked(self, now: datetime, cycles: int = 2) -> dict[Key, float]:
        """Refresh and verify until every range was looked at again, and what was found is published."""
        wanted: dict[int, int] | None = None
        for _ in range(1000):
            self.run(now)
            verifiers = [loaded.verifier for _, _, loaded in self._loaded()]
            if wanted is None:
                wanted = {id(verifier): verifier.cycles + cycles for verifier in verifiers}
            if all(verifier.cycles >= wanted.get(id(verifier), 0) for verifier in verifiers):
                return self.caught_up(now)
            self._refresh.verify()
        raise AssertionError("verification never ends")

    def check_tiling(self) -> None:
        """Check that ranges tile all instants outside the newest one, none crossing midnight but those of many days."""
        for _, reader, loaded in self._loaded():
            ranges, ledger = list(loaded.settled), reader.ledger.name
            edges = [BEGINNING if reader.is_complete else reader.loaded_from, *(each.end for each in ranges)]
            assert [each.start for each in ranges] == edges[:-1], f"{ledger}: a gap or an overlap"
            assert (edges[-1], loaded.newest.where.end) == (loaded.newest.where.start, loaded.future.start), (
                f"{ledger}: the newest range is not the rest"
            )
            for each in ranges:
                days = each.start // MICROSECONDS_A_DAY == (each.end - 1) // MICROSECONDS_A_DAY
                assert each.start < each.end
                assert days or not each.sums.rows or ledger == "budget", f"{ledger}: a range crosses midnight"

    def check_parts(self, now: datetime, grace: timedelta = timedelta(hours=24)) -> None:
        """Check that all sums are what the ledger says of their range, and that the running totals are those of all."""
        question = Question(now, grace)
        for source, reader, loaded in self._loaded():
            ledger: Ledger[Any, Any, Any] = reader.ledger
            assert reader.abilities is not None
            with self._sources[source].snapshot() as transaction:
                for each in loaded.settled:
                    where = Span(each.start, each.end)
                    (rows,) = transaction.hold(ask(ledger.all_rows_of(where, question, reader.abilities)))
                    true = ledger.sums(rows, where, question)
                    assert each.full_sums().says() == true.says(), f"{ledger.name}: sums are not those of their range"
                    assert each.sums.fingerprint == true.fingerprint, (
                        f"{ledger.name}: a fingerprint is not of its range"
                    )
            assert loaded.settled.totals.rows == sum(each.sums.rows for each in loaded.settled)


@contextmanager
def broken_off(at: int, times: int = 1_000_000) -> Iterator[None]:
    """Let so many batches of questions be asked, then so many fail."""
    ask, asked = Transaction._ask, count()  # noqa: SLF001

    def ask_or_break(transaction: Transaction, queries: Sequence[Query]) -> list[Result]:
        if at <= next(asked) < at + times:
            raise SourceError("broken off")
        return ask(transaction, queries)

    with patch.object(Transaction, "_ask", ask_or_break):
        yield


def corrections(engine: Engine) -> int:
    """How often a walk found a range that was not as it was read."""
    return sum(health.corrections for health in engine.inner.empty().snapshot.health.values())
