"""The composition root without its clock and its HTTP: what reloads leave behind, and what is told of what nobody foresaw."""

from __future__ import annotations

import logging
import weakref
from pathlib import Path

import psycopg
import pytest
import yaml

from exporter import config_file
from exporter.app import App
from exporter.exposition import IDENTITY, TEXT
from exporter.logs import JsonFormatter, LogfmtFormatter


def configured(file: Path, dsn: str) -> Path:
    """Write the smallest configuration."""
    ledgers = {ledger: {"source": "main"} for ledger in ("cost", "impact", "budget")}
    file.write_text(yaml.safe_dump({"sources": {"main": {"dsn": dsn}}, "ledgers": ledgers}))
    return file


@pytest.mark.parametrize("server", ["pg18"], indirect=True)
def test_a_reload_leaves_nothing_of_the_refresh_before(database: str, tmp_path: Path) -> None:
    """A sidecar that reloads every minute must not fill the memory with what was known before."""
    app = App(configured(tmp_path / "ledger-exporter.yml", database))
    app.run_pass()
    former = []
    for _ in range(3):
        former.append(weakref.ref(app._refresh))  # noqa: SLF001
        app.reload()
        app.run_pass()
    app.stop()

    assert [one() for one in former] == [None] * 3


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


@pytest.mark.parametrize("formatter", [LogfmtFormatter(), JsonFormatter()])
def test_a_traceback_tells_no_secret(
    formatter: logging.Formatter, tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not even of a bug in the midst of the driver's own error, with everything that led to it."""

    def fail(_error: psycopg.Error) -> str:
        raise RuntimeError("a bug")

    monkeypatch.setattr("exporter.ledgers.source._message", fail)
    running = App(configured(tmp_path / "ledger-exporter.yml", "postgresql://me:s3cret@127.0.0.1:1/d"))
    with caplog.at_level(logging.DEBUG):
        running.run_pass()
    running.stop()

    told = "".join(map(formatter.format, caplog.records))
    assert "psycopg.OperationalError: connection failed" in told
    assert "RuntimeError: a bug" in told
    assert "s3cret" not in told
