"""The incremental engine with its readers open to view: rows read, ranges kept, parts compared with the ledgers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from itertools import count
from unittest.mock import patch

from exporter.errors import SourceError
from exporter.incremental.reader import Reader
from exporter.incremental.walk import summary
from exporter.ledgers.source import Query, Question, Result, Source, Transaction
from exporter.ledgers.span import Span
from exporter.parts.days import MICROSECONDS_A_DAY
from exporter.parts.ranges import BEGINNING, Range
from exporter.refresher import Refresher
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
    def sources(self) -> dict[str, Source]:
        """The databases by name."""
        return self._sources

    @property
    def readers(self) -> dict[tuple[str, str], Reader]:
        """The readers by ledger and source."""
        databases = self._refresh.readers.databases
        return {(ledger, name): one for name, database in databases.items() for ledger, one in database.ledgers.items()}

    def reader(self, ledger: str) -> Reader:
        """The reader of a ledger in the first source."""
        return self.readers[ledger, "shard0"]

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
            # After three failures a ledger that works again is read at the second refresh at the latest.
            sat_out = bool(errors)
            if not sat_out and not any(reader.carried_over for reader in self.readers.values()):
                return samples(published)
        raise AssertionError("what is carried over never ends")

    def walked(self, now: datetime, cycles: int = 2) -> dict[Key, float]:
        """Refresh and walk until every range was read again, and what was found is published."""
        wanted = None
        for _ in range(1000):
            self.run(now)
            readers = [reader for reader in self.readers.values() if reader.tiling is not None]
            if wanted is None:
                wanted = {id(reader): reader.walk.cycles + cycles for reader in readers}
            if all(reader.walk.cycles >= wanted.get(id(reader), 0) for reader in readers):
                return self.caught_up(now)
            self._refresh.verify()
        raise AssertionError("the walk never ends")

    def check_tiling(self) -> None:
        """Check that ranges tile all instants outside the newest one, none crossing midnight but those of many days."""
        for (ledger, _), reader in self.readers.items():
            if reader.tiling is None:
                continue
            ranges = list(reader.tiling)
            newest = reader._newest_span  # noqa: SLF001
            future = reader._future  # noqa: SLF001
            assert newest is not None
            assert future is not None
            edges = [BEGINNING if reader.is_complete else reader.loaded_from, *(each.end for each in ranges)]
            assert [each.start for each in ranges] == edges[:-1], f"{ledger}: a gap or an overlap"
            assert (edges[-1], newest.end) == (newest.start, future.start), (
                f"{ledger}: the newest range is not the rest"
            )
            for each in ranges:
                days = each.start // MICROSECONDS_A_DAY == (each.end - 1) // MICROSECONDS_A_DAY
                assert each.start < each.end
                assert days or not each.part.rows or ledger == "budget", f"{ledger}: a range crosses midnight"

    def check_parts(self, now: datetime, grace: timedelta = timedelta(hours=24)) -> None:
        """Check that every part is what the ledger says of its range, and that the running totals are their sum."""
        question = Question(now, grace)
        for (ledger, source), reader in self.readers.items():
            if reader.tiling is None:
                continue
            with self._sources[source].snapshot() as transaction:
                for each in reader.tiling:
                    part = transaction.hold(reader.ledger.read(Span(each.start, each.end), question))
                    again = Range.of(each.start, each.end, part, now.timestamp())
                    known, true = (summary([one], reader.ledger.rankings) for one in (each, again))
                    for forgotten in ("task_spend", *reader.ledger.rankings):  # that of days which are over
                        if not known[forgotten]:
                            del known[forgotten], true[forgotten]
                    assert known == {name: true[name] for name in known}, f"{ledger}: a part is not its range"
            settled = reader.settled
            assert settled is not None
            assert settled.rows == sum(each.part.rows for each in reader.tiling)


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
