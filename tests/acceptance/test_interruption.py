"""Ctrl-C ends a command at once, whatever a database is asked at that moment, and as no other end does."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import psycopg
import pytest

from tests.support.exporter_process import DEADLINE_SECONDS, ROOT, eventually
from tests.support.ledgers import configure

ENDLESS = "columns: {cost_usd: \"cost_usd + (pg_sleep(3600)::text || '0')::numeric\"}"
"""A cost that takes an hour to read."""


@pytest.mark.parametrize("command", ["reconcile", "report"])
def test_a_command_that_waits_for_a_database_ends_with_130(
    dsn: str, platform: psycopg.Connection[Any], tmp_path: Path, command: str
) -> None:
    config = configure(tmp_path / "ledger-exporter.yml", dsn, timeout="10m")
    config.write_text(config.read_text().replace("cost: {source: main}", f"cost: {{source: main, {ENDLESS}}}"))
    running = subprocess.Popen(
        [sys.executable, "-m", "exporter", command, f"--config.file={config}"],
        cwd=ROOT, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    asleep = "select count(*) from pg_stat_activity where wait_event = 'PgSleep' and datname = current_database()"
    try:
        eventually(lambda: platform.execute(asleep).fetchone() != (0,), "the database is not asked")
        running.send_signal(signal.SIGINT)
        out, err = running.communicate(timeout=DEADLINE_SECONDS)
    finally:
        running.kill()

    assert (running.returncode, out, err) == (130, "", "Stopped.\n")
