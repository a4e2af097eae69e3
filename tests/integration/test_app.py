"""The composition root without its clock and its HTTP: what reloads leave behind, and what is told of what nobody foresaw."""

from __future__ import annotations

import contextlib
import gc
import logging
import sys
import weakref
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg
import pytest
import yaml

from exporter import config_file
from exporter.app import App
from exporter.errors import ConfigError
from exporter.logs import JsonFormatter, LogfmtFormatter
from exporter.publishing.exposition import GZIP, IDENTITY, OPENMETRICS, TEXT


def configured(file: Path, dsn: str) -> Path:
    """Write the smallest configuration."""
    ledgers = {ledger: {"source": "main"} for ledger in ("cost", "impact", "budget")}
    file.write_text(yaml.safe_dump({"sources": {"main": {"dsn": dsn}}, "ledgers": ledgers}))
    return file


def test_a_reload_leaves_nothing_of_the_refresh_before(database: str, tmp_path: Path) -> None:
    """A sidecar that reloads every minute must not fill the memory with what was known before."""
    app = App(configured(tmp_path / "ledger-exporter.yml", database))
    app.run_pass()
    former = []
    for _ in range(3):
        former.append(weakref.ref(app._refresher))  # noqa: SLF001
        app.reload()
        app.run_pass()
    app.stop()

    assert [one() for one in former] == [None] * 3


def test_passes_leave_nothing_for_the_daily_search(database: str, tmp_path: Path) -> None:
    """What is in a cycle and lives from one pass to another is not found before the next day."""
    config = configured(tmp_path / "ledger-exporter.yml", database)
    good, app = config.read_text(), App(config)

    def live() -> None:
        app.run_pass()
        with psycopg.connect(database, autocommit=True) as platform:
            platform.execute("insert into cost_ledger (id, created_at, provider, cost_usd) values (1, now(), 'glm', 1)")
            app.run_pass()
            platform.execute("alter table cost_ledger rename to gone")
            app.run_pass()
            platform.execute("alter table gone rename to cost_ledger")
            platform.execute("delete from cost_ledger")
            platform.execute(
                "select pg_terminate_backend(pid, 5000) from pg_stat_activity"
                " where application_name like 'ledger-exporter/%' and datname = current_database()"
            )
        app.run_pass()
        for text in (good, "sources: {}", good):
            config.write_text(text)
            with contextlib.suppress(ConfigError):
                app.reload()
            app.run_pass()

    live()
    gc.collect()
    for _ in range(3):
        live()
    found = gc.collect()
    app.stop()

    assert found < 3


class Cycle:
    """Something that only a collection frees."""

    def __init__(self) -> None:
        self.itself = self


@pytest.fixture
def process() -> Iterator[None]:
    """Undo afterwards what is changed for the whole process."""
    threshold, interval = gc.get_threshold(), sys.getswitchinterval()
    yield
    gc.enable()
    gc.set_threshold(*threshold)
    sys.setswitchinterval(interval)


@pytest.mark.usefixtures("process")
def test_what_is_in_a_cycle_is_found_the_next_day(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    app = App(configured(tmp_path / "ledger-exporter.yml", f"host={tmp_path}"))
    today = datetime.now(UTC)
    app.run_pass()
    gc.disable()
    left = weakref.ref(Cycle())
    monkeypatch.setattr("exporter.app._now", lambda: today + timedelta(days=1))
    app.run_pass()
    app.stop()

    assert left() is None


@pytest.mark.usefixtures("process")
def test_python_begins_no_collection_of_all_objects(tmp_path: Path) -> None:
    """It would stop a scrape for as long as it takes, and come with nearly every refresh."""
    app = App(configured(tmp_path / "ledger-exporter.yml", f"host={tmp_path}"))
    app.start()
    app.stop()
    full: list[int] = []

    def note(phase: str, info: dict[str, int]) -> None:
        if phase == "start" and info["generation"] == 2:
            full.append(1)

    gc.callbacks.append(note)
    kept = [[number] for number in range(200_000)]
    gc.callbacks.remove(note)

    assert len(kept) == 200_000
    assert not full


def test_a_reload_that_fails_where_nobody_foresaw_it_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """For want of memory, say. The configuration before stays, a metric says so, and the log has the traceback."""

    def fails(_path: Path) -> None:
        raise MemoryError

    app = App(configured(tmp_path / "ledger-exporter.yml", "host=h"))
    monkeypatch.setattr(config_file, "load", fails)
    with pytest.raises(MemoryError):
        app.reload()
    app.stop()

    assert b"\nledger_config_last_reload_successful 0.0\n" in app.exposition((TEXT, IDENTITY))
    (record,) = [record for record in caplog.records if record.levelname == "ERROR"]
    assert record.message == "configuration not reloaded; the one before stays"
    assert record.exc_info


def test_a_reload_that_fails_while_a_pass_publishes_takes_nothing_back(tmp_path: Path) -> None:
    """Counters would fall for an interval, and what they regain be taken for spend."""
    config = configured(tmp_path / "ledger-exporter.yml", "host=h")
    app = App(config)
    newer = replace(app.published.get(), snapshot=replace(app.published.get().snapshot, instant=1.0))
    publishing = app._publisher._lock  # noqa: SLF001

    class Overtaken:
        """The lock; whoever takes it finds that a pass was before."""

        def __enter__(self) -> None:
            publishing.acquire()
            app.published.swap(newer)

        def __exit__(self, *_: object) -> None:
            publishing.release()

    app._publisher._lock = Overtaken()  # type: ignore[assignment]  # noqa: SLF001
    config.write_text("sources: {}\n")
    with pytest.raises(ConfigError):
        app.reload()
    app.stop()

    assert (app.published.get().snapshot.instant, app.published.get().snapshot.reload.successful) == (1.0, False)


def test_after_a_reload_that_failed_all_that_is_asked_for_is_ready(tmp_path: Path) -> None:
    """Rendering and compressing is nothing to be done while others wait for their scrapes."""
    config = configured(tmp_path / "ledger-exporter.yml", "host=h")
    app = App(config)
    wanted = [(content_type, encoding) for content_type in (TEXT, OPENMETRICS) for encoding in (IDENTITY, GZIP)]
    for one in wanted:
        app.exposition(one)
    config.write_text("sources: {}\n")
    with pytest.raises(ConfigError):
        app.reload()
    app.stop()

    assert sorted(app.published.get().exposition._bodies) == sorted(wanted)  # noqa: SLF001


@pytest.mark.parametrize("where", ["Refresher.run", "Refresher.is_loading", "gc.collect"])
def test_a_pass_that_fails_again_and_again_is_told_ever_less_often(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, where: str
) -> None:
    def fail(*_: object, **_named: object) -> None:
        raise RuntimeError("a bug")

    app = App(configured(tmp_path / "ledger-exporter.yml", f"host={tmp_path}"))
    with monkeypatch.context() as broken:
        broken.setattr(f"exporter.app.{where}", property(fail) if where.endswith("is_loading") else fail)
        for _ in range(9):
            app.run_pass()
    app.run_pass()
    monkeypatch.setattr("exporter.refresher.Refresher.run", fail)
    app.run_pass()
    app.stop()

    told = [record for record in caplog.records if record.message.startswith("refresh failed unexpectedly")]
    assert len(told) == 4 + 1  # the first, second, fourth and eighth; and one that came when all was well again
    assert all(record.exc_info for record in told)


@pytest.mark.parametrize("formatter", [LogfmtFormatter(), JsonFormatter()])
def test_a_traceback_tells_no_secret(
    formatter: logging.Formatter, tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not even of a bug in the midst of the driver's own error, with everything that led to it."""

    def fail(_error: psycopg.Error) -> str:
        raise RuntimeError("a bug")

    monkeypatch.setattr("exporter.databases.driver_errors._message", fail)
    running = App(configured(tmp_path / "ledger-exporter.yml", "postgresql://me:s3cret@127.0.0.1:1/d"))
    with caplog.at_level(logging.DEBUG):
        running.run_pass()
    running.stop()

    told = "".join(map(formatter.format, caplog.records))
    assert "psycopg.OperationalError: connection failed" in told
    assert "RuntimeError: a bug" in told
    assert "s3cret" not in told
