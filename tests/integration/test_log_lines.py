"""What the log says of ledgers: an outage at its beginning, at growing intervals and at its end; never a line a row."""

from __future__ import annotations

import logging
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest
import yaml

from exporter.app import App
from exporter.databases.session import Session
from exporter.errors import SourceError
from exporter.publishing.maker import SnapshotMaker
from exporter.refresher import Refresher
from tests.support.bookings import Books
from tests.support.engine import Engine, broken_off
from tests.support.example_rows import history
from tests.support.product import Product
from tests.support.sizes import sizes, small

NOON = datetime(2026, 4, 10, 12, tzinfo=UTC)
INTERVAL = timedelta(seconds=15)
AN_HOUR = 240
BEGUN, OVER = "ledger cannot be read", "ledger can be read again"


def said(caplog: pytest.LogCaptureFixture, message: str, **fields: object) -> list[dict[str, Any]]:
    """The fields of all lines with a message."""
    found = [vars(record) for record in caplog.records if record.getMessage() == message]
    return [one for one in found if fields.items() <= one.items()]


def app(dsn: str, folder: Path) -> App:
    """The exporter without its clock and its HTTP."""
    file = folder / "ledger-exporter.yml"
    ledgers = {ledger: {"source": "main"} for ledger in ("cost", "impact", "budget")}
    file.write_text(yaml.safe_dump({"sources": {"main": {"dsn": dsn}}, "ledgers": ledgers}))
    return App(file)


def test_a_refresh_is_one_line_with_durations_and_rows(
    database: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """However many rows there are, and though every second one is rejected."""
    with psycopg.connect(database, autocommit=True) as platform:
        platform.execute(
            "insert into cost_ledger (id, created_at, cost_usd)"
            " select n, now(), case when n % 2 = 0 then 'NaN'::numeric else 1 end from generate_series(1, 500) as n"
        )
    running = app(database, tmp_path)
    with caplog.at_level(logging.DEBUG):
        for _ in range(3):
            running.run_pass()
    running.stop()

    lines = said(caplog, "refreshed")
    assert [line["cost_rows"] for line in lines] == [500, 500, 500]
    assert [line["budget_rows"] for line in lines] == [0, 0, 0]
    assert all(0 < line["cost_seconds"] <= line["seconds"] < 20 for line in lines)
    assert len(caplog.records) == len(lines)


def test_an_hours_outage_is_told_at_growing_intervals(
    database: str, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing more than its beginning, a few reminders with what the database says, and its end."""
    with Product([database]) as product:
        product.refresh(NOON)
        caplog.clear()
        monkeypatch.setattr(Session, "_connected", _refuse)
        for number in range(AN_HOUR):
            product.refresh(NOON + number * INTERVAL)
        monkeypatch.undo()
        for number in range(3):
            product.refresh(NOON + (AN_HOUR + number) * INTERVAL)

    for ledger in ("cost", "impact", "budget"):
        begun = said(caplog, BEGUN, ledger=ledger)
        assert [line["failures"] for line in begun] == [1, 2, 4, 8, 16, 32, 64]
        assert all("the server is away" in line["error"] for line in begun)
        assert len(said(caplog, OVER, ledger=ledger)) == 1
    assert len(caplog.records) == 3 * (7 + 1)


def _refuse(*_: object) -> None:
    raise SourceError("the server is away")


def test_what_fails_again_and_again_is_told_at_growing_intervals(
    books: Books, caplog: pytest.LogCaptureFixture
) -> None:
    """The walk, which a lock or a time-out ends: a line for the first time, the second, the fourth."""
    books.book("cost", history())
    with Engine([books.dsn]) as engine:
        engine.refresh(NOON)
        caplog.clear()
        with caplog.at_level(logging.DEBUG), broken_off(0):
            for _ in range(100):
                engine.inner.verify()

    assert len(said(caplog, "verification was given up for now")) == 7


def test_a_bug_is_told_with_its_traceback_and_does_not_fill_the_disk(
    books: Books, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And every ledger is down: old figures must not look alive."""

    def fail(*_: object, **__: object) -> None:
        raise RuntimeError("a bug")

    books.book("cost", history())
    with Engine([books.dsn]) as engine:
        engine.refresh(NOON)
        monkeypatch.setattr(SnapshotMaker, "make", fail)
        healths = [engine.inner.run(NOON).snapshot.health for _ in range(100)]

    lines = said(caplog, "making a snapshot failed unexpectedly")
    assert len(lines) == 7
    assert all(line["exc_info"] for line in lines)
    assert {health.up for all_ledgers in healths for health in all_ledgers.values()} == {False}


def test_a_pass_that_cannot_even_begin_to_read_is_an_outage(books: Books, monkeypatch: pytest.MonkeyPatch) -> None:
    """No thread can be started, because there is no memory: values are held, and every ledger is down."""

    def fail(_refresher: Refresher, _now: datetime, *, again: bool) -> None:
        raise RuntimeError("can't start new thread")

    books.book("cost", history())
    with Engine([books.dsn]) as engine:
        before = engine.refresh(NOON)
        with monkeypatch.context() as patch:
            patch.setattr(Refresher, "_read", fail)
            held = engine.inner.run(NOON + INTERVAL).snapshot
        assert {health.up for health in held.health.values()} == {False}
        assert held.cost is not None
        after = engine.refresh(NOON + 2 * INTERVAL)

    spent = ("ledger_charged_tasks", frozenset({("window", "all")}))
    assert before[spent] == after[spent]


def test_a_missing_index_is_told_once_with_what_to_do(books: Books, caplog: pytest.LogCaptureFixture) -> None:
    """A large ledger is read whole at each refresh, which nobody would guess."""
    books.run("drop index cost_ledger_created_at")
    books.book("cost", history())
    books.run("analyze cost_ledger")
    with small(unindexed_rows=100), Engine([books.dsn]) as engine:
        for number in range(5):
            engine.refresh(NOON + number * INTERVAL)

    (line,) = said(caplog, "no index leads to the instants of this ledger: it is read whole at each refresh")
    assert (line["ledger"], line["rows"]) == ("cost", 120)
    assert "check --deep" in line["remedy"]
    assert line["levelname"] == "WARNING"


def test_quests_that_come_and_go_are_not_remembered_for_ever(books: Books) -> None:
    """Memory follows the quests there are, some gone ones, and those the counters know."""
    with sizes(gone_quests=10), Engine([books.dsn]) as engine:
        remembered = []
        for day in range(12):
            now = NOON + timedelta(days=day)
            rows = [(now, "codex-mini", "m1", "t", f"quest {day} {number}", 1, 1, 1) for number in range(5)]
            books.run("truncate cost_ledger restart identity")
            books.book("cost", rows)
            published = engine.caught_up(now)
            remembered.append(len(engine.inner.kept.policy._quests.labels))  # noqa: SLF001
            assert (
                "ledger_quest_info",
                frozenset({("quest", f"quest {day} 0"), ("quest_id", f"quest {day} 0")}),
            ) in published

    assert max(remembered) <= 2 * 5 + 10 + 5
    counted = [labels for name, labels in published if name == "ledger_quest_info"]
    assert len(counted) == 12 * 5
