"""The commands of the documentation that end by themselves, run by a shell as a reader would run them, page by page."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg
import pytest

from tests import postgres
from tests.acceptance.conftest import LEDGERS, configure
from tests.conftest import create_ledgers
from tests.documented import PAGES, PROGRAM, ROOT, commands_of
from tests.exporter_process import Exporter

ENDING = {"backfill", "check", "reconcile", "report"}
NEXT_TO_OURS = "promtool tsdb"
"""What takes what ours has written."""

ELSEWHERE = "--to-url="
"""Receivers for these are run by `tests/acceptance/test_backfill.py`."""

QUEST = """
insert into quest_budget_allocations
select 'tau-spread', 'Tau Spread Atlas', (now() at time zone 'utc')::date - age, 10, 5 from generate_series(0, 9) as age
"""


def is_run(command: str) -> bool:
    """Tell whether a command ends by itself and needs nothing but a ledger."""
    program, *arguments = command.split()
    ours = PROGRAM.fullmatch(program) and arguments and arguments[0] in ENDING
    return bool(ours or command.startswith(NEXT_TO_OURS)) and ELSEWHERE not in command


SCRIPTS = {
    page.relative_to(ROOT).as_posix(): commands for page in PAGES if (commands := [*filter(is_run, commands_of(page))])
}


@pytest.fixture(scope="module")
def place(pg18: postgres.Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder with a configuration in it, for a ledger that has what the documentation names."""
    folder = tmp_path_factory.mktemp("documented")
    name = pg18.create_database()
    create_ledgers(pg18.dsn(name))
    with psycopg.connect(pg18.dsn(name), autocommit=True) as connection:
        connection.execute(LEDGERS)
        connection.execute(QUEST)
    configure(folder / "ledger-exporter.yml", pg18.dsn(name))
    (folder / "web.yml").write_text("http_server_config: {headers: {X-Frame-Options: deny}}\n")
    (folder / "prometheus").mkdir()
    yield folder
    pg18.drop_database(name)


@pytest.fixture(scope="module")
def names(place: Path) -> Iterator[Mapping[str, str]]:
    """What stands in the documentation for a place of the reader's own, and what it is here."""
    with Exporter(place / "ledger-exporter.yml") as running:
        running.until_ready()
        now = datetime.now(UTC)
        yield {
            "2026-04-01": f"{now - timedelta(days=8):%Y-%m-%d}",
            "2026-06-01T09:30:00Z": f"{now - timedelta(days=1):%Y-%m-%dT%H:%M:%SZ}",
            "http://127.0.0.1:9851": f"http://{running.address}",
            "/etc/ledger-exporter/web.yml": str(place / "web.yml"),
            "/var/lib/prometheus": str(place / "prometheus"),
        }


@pytest.mark.parametrize("page", SCRIPTS)
def test_it_does_what_the_page_says(page: str, place: Path, names: Mapping[str, str]) -> None:
    """In the order of the page, each to its end, and without an error."""
    script = "\n".join(SCRIPTS[page])
    for written, here in names.items():
        script = script.replace(written, here)

    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script],
        cwd=place, env={**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"},
        capture_output=True, text=True, check=False,
    )  # fmt: skip

    assert done.returncode == 0, f"{script}\n{done.stdout}{done.stderr}"
    assert done.stdout


def test_they_are_found() -> None:
    """Each page of a command has one."""
    assert {"docs/backfill.md", "docs/check.md", "docs/reconcile.md", "docs/report.md"} <= SCRIPTS.keys()
