"""What nobody foresees: memory that ends half way, a bug, a source that is away, a transaction that is never ended."""

from __future__ import annotations

import json
import logging
import sys
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from unittest.mock import patch

import pytest

from exporter import config_file
from exporter.databases.postgresql import Source
from exporter.errors import SourceError
from exporter.publishing.costliest import Costliest
from exporter.publishing.snapshot import Reload
from exporter.reading.ledger_reader import LedgerReader
from exporter.refresher import Refresher
from exporter.sums import TaskNumbers
from exporter.sums.settled import Settled
from tests.oracle import Key
from tests.support import postgres
from tests.support.bookings import Books
from tests.support.comparison import check, value
from tests.support.engine import Engine, broken_off, corrections
from tests.support.example_rows import NOON, SOON, ago, charge, history, outcome
from tests.support.sizes import sizes, small

LATER = SOON + timedelta(seconds=15)


def spent(published: dict[Key, float]) -> float:
    """All dollars the counters have seen."""
    return sum(number for (name, _), number in published.items() if name == "ledger_spend_usd_total")


@pytest.mark.parametrize("at", [0, 1, *(pytest.param(at, marks=pytest.mark.slow) for at in range(2, 6))])
@pytest.mark.parametrize("step", ["add", "remove"])
def test_no_memory_while_figures_are_added_up(books: Books, step: str, at: int) -> None:
    """Half of what was read has been taken in: the ledger is read anew, and no figure is wrong for good."""
    books.book("cost", history())
    with Engine([books.dsn]) as engine:
        before = engine.refresh(NOON)
        books.book("cost", [charge(ago(day), f"late {day}") for day in (0, 0, 0, 0, 0, 0, 4, 11)])
        done, whole = 0, getattr(Settled, step)

        def fail(settled: Settled, part: object) -> None:
            nonlocal done
            done += 1
            if done == at + 1:
                raise MemoryError
            whole(settled, part)

        with patch.object(Settled, step, fail):
            engine.inner.run(SOON)
        after = engine.walked(LATER)
        check([books.dsn], LATER, after)
        assert spent(before) <= spent(after) <= spent(before) + 8


def test_no_memory_while_a_snapshot_is_made(books: Books) -> None:
    """The ranking of costly tasks and the counters: what was half done is done again, once."""
    books.book("cost", history())
    with Engine([books.dsn]) as engine:
        before = engine.refresh(NOON)
        books.book("cost", [charge(ago(1), f"t1-{place}", "4") for place in range(3)])
        change = Costliest._change  # noqa: SLF001

        def fail(costliest: Costliest, *arguments: object) -> None:
            change(costliest, *arguments)  # type: ignore[arg-type]
            raise MemoryError

        with patch.object(Costliest, "_change", fail):
            assert not engine.inner.run(SOON).snapshot.health["cost"].up
        after = engine.walked(LATER)
        check([books.dsn], LATER, after)
        assert spent(after) == spent(before) + 12


@pytest.mark.parametrize("work", ["load", "verify"])
def test_a_bug_between_refreshes(books: Books, caplog: pytest.LogCaptureFixture, work: str) -> None:
    """It is told at growing intervals, the pass goes on, and once it is gone all is right."""
    books.book("cost", history())
    with Engine([books.dsn]) as engine:
        if work == "verify":
            engine.refresh(NOON)
        with patch.object(LedgerReader, work, side_effect=RuntimeError("a bug")):
            for _ in range(40):
                engine.inner.run(SOON)
                engine.inner.load(SOON, 0)
                engine.inner.verify()
        told = [record for record in caplog.records if record.exc_info]
        assert 1 <= len(told) <= 14
        check([books.dsn], LATER, engine.walked(LATER))


def test_a_source_that_is_away_is_asked_by_passes_alone(books: Books) -> None:
    """And not by every pass: neither the walk nor the first load ask it meanwhile."""
    books.book("cost", history())
    with Engine([books.dsn]) as engine:
        engine.refresh(NOON)
        asked = []

        def refuse(source: Source, *_: object) -> None:
            asked.append(source.name)
            raise SourceError("the server is away")

        with patch.object(Source, "snapshot", refuse):
            for _ in range(13):
                engine.inner.run(SOON)
                engine.inner.verify()
                engine.inner.load(SOON, 0)
        assert len(asked) == 3 + 5
        check([books.dsn], LATER, engine.walked(LATER))


def test_an_outage_does_not_slow_the_first_load_down(books: Books) -> None:
    """A piece becomes smaller where asking for it failed, not where nobody answered; and larger again where it did not."""
    books.book("cost", history(60))
    with Engine([books.dsn]) as engine, sizes(first_load_seconds=0):
        engine.inner.run(NOON)
        piece = engine.piece("cost")
        full = piece.rows
        with patch.object(Source, "snapshot", side_effect=SourceError("the server is away")):
            engine.inner.load(NOON, 0)
        assert piece.rows == full
        engine.inner.run(NOON)
        with broken_off(0):
            engine.inner.load(NOON, 0)
        assert piece.rows == full // 2
        engine.refresh(SOON)
        assert piece.rows == full


def test_a_first_load_that_is_cut_off_counts_and_rests_until_the_next_refresh(books: Books) -> None:
    """And after three failures in a row every other one. What is loaded is read and published meanwhile."""
    books.book("cost", history(60))
    tried = []

    def fail(_reader: LedgerReader, _question: object, rows: int) -> None:
        tried.append(rows)
        raise SourceError("canceling statement due to statement timeout")

    with Engine([books.dsn]) as engine, sizes(first_load_seconds=0):
        engine.inner.run(NOON)
        before = engine.inner.kept.holding.health["cost"]
        with patch.object(LedgerReader, "load", fail):
            for number in range(12):
                now = NOON + timedelta(seconds=15 * (1 + number))
                health = engine.inner.run(now).snapshot.health["cost"]
                assert (health.up, health.error) == (True, None)
                while engine.inner.is_loading:
                    engine.inner.load(now, 60)
                    published = engine.inner.run(now, again=True)
                    health = published.snapshot.health["cost"]
                    assert (health.up, "statement timeout" in str(health.error)) == (True, True)
        assert tried == sorted(tried, reverse=True)
        assert len(tried) == 3 + 4
        after = engine.inner.kept.holding.health["cost"]
        assert (after.refreshes - before.refreshes, after.failures - before.failures) == (12 + 7, 7)
        later = NOON + timedelta(seconds=15 * 20)
        check([books.dsn], later, engine.refresh(later))


def test_what_the_clock_decides_meanwhile_is_no_correction(books: Books) -> None:
    """An outcome that settles between a refresh and the walk that follows it: nobody edited anything."""
    at = ago(1) + timedelta(seconds=20)
    books.book("impact", [outcome(at + timedelta(seconds=place), f"t{place}", None) for place in range(-90, 1)])
    books.book("impact", [outcome(ago(minutes=place), f"new {place}", None) for place in range(12, -1, -1)])
    with Engine([books.dsn]) as engine:
        for seconds in range(0, 60, 5):
            now = NOON + timedelta(seconds=seconds)
            check([books.dsn], now, engine.caught_up(now))
            for _ in range(20):
                engine.inner.verify()
        assert corrections(engine) == 0


def test_an_index_is_noticed_when_it_is_there(books: Books) -> None:
    """At the next refresh, without a restart: until then each has read the ledger whole, and said how many rows that took."""
    books.run("drop index cost_ledger_created_at")
    books.book("cost", history())
    books.run("analyze cost_ledger")
    with small(unindexed_rows=100), Engine([books.dsn]) as engine:
        published = engine.refresh(NOON)
        assert value(published, "ledger_rows_read_total", ledger="cost") == 120
        assert engine.reader("cost").loaded is None
        books.run("create index on cost_ledger (created_at)")
        check([books.dsn], SOON, engine.refresh(SOON))
        assert engine.reader("cost").loaded is not None


def test_an_index_is_missed_when_a_ledger_has_grown(books: Books, caplog: pytest.LogCaptureFixture) -> None:
    """It was small when the exporter was started; within the hour it is told that it no longer is."""
    books.run("drop index cost_ledger_created_at")
    books.book("cost", history(2))
    books.run("analyze cost_ledger")
    with small(unindexed_rows=100), Engine([books.dsn]) as engine:
        engine.refresh(NOON)
        books.book("cost", history())
        books.run("analyze cost_ledger")
        with caplog.at_level(logging.WARNING):
            for minutes in (1, 59, 61):
                now = NOON + timedelta(minutes=minutes)
                check([books.dsn], now, engine.caught_up(now))
        assert [record.getMessage()[:14] for record in caplog.records] == ["no index leads"]


@pytest.mark.slow
def test_a_transaction_that_nobody_ends(books: Books, caplog: pytest.LogCaptureFixture) -> None:
    """Prepared and forgotten, say: what is kept for its sake has an end, that is told, and the walk finds what it brings."""
    with small(max_late_ids=40, piece_rows=20, mark_seconds_without_snapshot=30), Engine([books.dsn]) as engine:
        engine.refresh(NOON)
        books.book("cost", [charge(ago(2), "forgotten")], session=1)
        known = []
        for step in range(60):
            now = NOON + timedelta(seconds=15 * step)
            books.book("cost", [charge(now, f"t{step}-{place}") for place in range(8)])
            check([books.dsn], now, engine.refresh(now))
            loaded = engine.reader("cost").loaded
            assert loaded is not None
            assert loaded.ids is not None
            known.append(len(loaded.ids._known))  # noqa: SLF001
        assert max(known) < 100
        assert len([record for record in caplog.records if "open for very long" in record.getMessage()]) == 1
        books.session(1).commit()
        now = NOON + timedelta(seconds=15 * 60)
        check([books.dsn], now, engine.walked(now))


def test_tasks_of_pruned_history_are_forgotten(books: Books) -> None:
    """Their numbers do not add up for ever; those that are left, or come back, are counted as ever."""
    with sizes(gone_tasks=50), Engine([books.dsn]) as engine:
        for month in range(6):
            now = NOON + timedelta(days=10 * month)
            ages = [timedelta(days=place % 10, minutes=place) for place in range(60)]
            tasks = [f"t{month}-{place}" if place % 3 else f"comes back {place}" for place in range(60)]
            rows = [charge(now - age, task) for age, task in zip(ages, tasks, strict=True)]
            books.book("cost", sorted(rows, key=lambda row: str(row[0])))
            books.run("delete from cost_ledger where created_at < %s", [now - timedelta(days=15)])
            check([books.dsn], now, engine.caught_up(now))
        numbered, left = (
            len(engine.inner.kept.tasks.numbers),
            books.run("select count(distinct task_id) from cost_ledger")[0][0],
        )
        assert numbered <= 2 * left + 50 < 20 + 6 * 40


def test_another_database_by_the_same_name(
    server: postgres.Server, books: Books, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file with the connection string names another one at a reload: nothing of the old is kept, nothing counts as growth."""
    name = server.create_database()
    with Books(server.dsn(name)) as others:
        books.book("cost", history())
        others.book("cost", [charge(ago(day), f"other {day}", "7") for day in range(30, -1, -1)])

        ledgers = {ledger: {"source": "main"} for ledger in ("cost", "impact", "budget")}
        monkeypatch.setenv("DSN", books.dsn)
        settings = config_file.parse(json.dumps({"sources": {"main": {"dsn_env": "DSN"}}, "ledgers": ledgers}))

        def source(dsn: str, password: str) -> dict[str, Source]:
            found = settings.sources["main"].conninfo({"DSN": f"{dsn} password={password}"})
            return {"main": Source("main", found, None, settings.refresh.timeout)}

        opened = [source(books.dsn, "old"), source(books.dsn, "new"), source(others.dsn, "new")]
        first = Refresher.new(settings, opened[0])
        assert first.run(NOON).snapshot.cost is not None
        second = first.reloaded(settings, opened[1], Reload())  # with another password it is the same ledger
        kept = [one.readers.databases["main"].ledgers["cost"] for one in (first, second)]
        assert kept[0] is kept[1]
        third = second.reloaded(settings, opened[2], Reload())
        third.run(SOON)
        while third.is_loading:
            third.load(SOON, 1)
        cost = third.run(SOON).snapshot.cost
        assert cost is not None
        assert {sums[-1].usd for sums in cost.spend.by("provider").sums.values()} == {7 * 31}
        assert not any(counted.usd for counted in cost.counters.values())
        for each in opened:
            each["main"].close()
    server.drop_database(name)


def test_an_error_does_not_repeat_a_whole_cell(books: Books) -> None:
    """PostgreSQL quotes the value it could not read, however long: a log line and the landing page need its beginning."""
    books.run("alter table cost_ledger alter column cost_usd type text")
    books.run(
        "insert into cost_ledger (created_at, provider, tokens_in, cost_usd) values (now(), 'codex', 1, repeat('x', 1000000))"
    )
    with Engine([books.dsn]) as engine:
        error = engine.inner.run(NOON).snapshot.health["cost"].error
    assert error is not None
    assert "invalid input syntax for type numeric" in error
    assert "left out and counted" in error
    assert len(error) < 1000


def test_numbering_is_shared_by_threads() -> None:
    """Sources are read side by side: each task has one number, and no two have the same."""
    numbers, before = TaskNumbers(), sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        with ThreadPoolExecutor(4) as threads:
            found = list(
                threads.map(lambda shard: [numbers.of([f"t{n}"])[0] for n in range(shard, 20_000 + shard)], range(4))
            )
    finally:
        sys.setswitchinterval(before)
    told = {f"t{n + shard}": number for shard, row in enumerate(found) for n, number in enumerate(row)}
    assert all(told[f"t{n + shard}"] == number for shard, row in enumerate(found) for n, number in enumerate(row))
    assert len({*told.values()}) == len(told) == len(numbers) == 20_003
