"""The README's way from nothing to metrics, followed step by step: a role, a configuration, an installation, a scrape.

The home folder is empty, the database is another machine's as far as one can tell: reached by TCP, with a password, with TLS
that is verified. What differs from the page is the names of places. Nothing here is about how long it takes.
"""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import psycopg
import pytest

from tests.support import postgres
from tests.support.documented import FOLLOWED, ROOT, STEPS
from tests.support.exporter_process import Exporter, sample
from tests.support.ledgers import LEDGERS, create_ledgers
from tests.support.processes import clean_environment
from tests.support.tls_server import Guarded

CHECKOUT = ("exporter", "docs", "pyproject.toml", "README.md", "LICENSE", "requirements.txt", "requirements-build.txt")
PASSWORD = "correct horse"  # noqa: S105 - nothing else has it
ACCESS = "hostssl platform ledger_exporter 127.0.0.1/32 scram-sha-256\n"
BUDGETS = """
create schema finance;
create table finance.daily_budgets as
select quest_id as project, quest_name, day, (allocated_usd * 100)::bigint as budget_cents from quest_budget_allocations;
drop table quest_budget_allocations
"""
CONNECTIONS = """
select distinct usename, ssl from pg_stat_activity join pg_stat_ssl using (pid) where application_name like 'ledger-exporter/%'
"""


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Guarded]:
    """A server with the ledgers of the page's configuration, which lets the role in with TLS and a password only."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    server = postgres.start(postgres.programs_of("pg15"), {"listen_addresses": "127.0.0.1", "port": port})
    try:
        access = server.directory / "data" / "pg_hba.conf"
        access.write_text(ACCESS + access.read_text())
        guarded = Guarded(server, tmp_path)
        with psycopg.connect(server.dsn(), autocommit=True) as connection:
            connection.execute("create database platform")
        create_ledgers(server.dsn("platform"))
        with psycopg.connect(server.dsn("platform"), autocommit=True) as connection:
            connection.execute(LEDGERS)
            connection.execute(BUDGETS)
        yield guarded
    finally:
        server.stop()


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """What of this repository an installation needs, with the role's file changed for the ledgers as they are called here."""
    folder = tmp_path / "ledger-exporter"
    folder.mkdir()
    for name in CHECKOUT:
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
        copy(ROOT / name, folder / name)
    role = folder / "docs" / "role.sql"
    text = role.read_text().replace("public.quest_budget_allocations", "finance.daily_budgets")
    role.write_text(text.replace("on schema public", "on schema public, finance"))
    return folder


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """The home folder of somebody who has just come."""
    folder = tmp_path / "home"
    folder.mkdir()
    return folder


def configuration(database: Guarded) -> str:
    """The page's configuration, for this database."""
    (text,) = re.findall(r"^```yaml\n(.*?)^```$", STEPS, re.MULTILINE | re.DOTALL)
    here = {
        "db.example.org:5432": f"localhost:{database.server.port}",
        "/etc/ledger-exporter/ca.pem": str(database.authority.cert),
    }
    for written, place in here.items():
        assert written in text
        text = text.replace(written, place)
    return text


def follow(commands: list[str], checkout: Path, environment: Mapping[str, str]) -> None:
    """Run commands in a shell, in the checkout; whoever asks for the password is told it, as often as it asks."""
    script = "\n".join(commands).replace("python3 ", f"{os.path.realpath(sys.executable)} ")
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script.replace("LEDGER_PASSWORD=...", f"LEDGER_PASSWORD='{PASSWORD}'")],
        cwd=checkout, env=dict(environment), input=f"{PASSWORD}\n" * 2, start_new_session=True,
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, f"{script}\n{done.stdout}{done.stderr}"


@pytest.mark.tools
def test_the_readme_leads_to_metrics(database: Guarded, checkout: Path, home: Path) -> None:
    """All of its steps, with nothing but what they say."""
    *steps, serve = FOLLOWED["README.md"]
    program, option = serve.split()
    path = f"{postgres.programs_of('pg15')}:{os.environ['PATH']}"
    administrator = {
        "PGHOST": str(database.server.directory),
        "PGPORT": str(database.server.port),
        "PGUSER": "postgres",
    }
    (checkout / "ledger-exporter.yml").write_text(configuration(database))
    role = [step for step in steps if step.startswith("psql ")]

    follow(role, checkout, clean_environment(HOME=str(home), PATH=path, **administrator))
    follow(steps[len(role) :], checkout, clean_environment(HOME=str(home)))
    own = {"HOME": str(home), "LEDGER_PASSWORD": PASSWORD, "PYTHONSAFEPATH": "1"}
    with Exporter(
        checkout / option.removeprefix("--config.file="), program=(str(checkout / program),), environment=own
    ) as exporter:
        seen = exporter.until(lambda seen: seen.get(sample("ledger_up", ledger="cost")) == 1)
        with psycopg.connect(database.server.dsn()) as connection:
            connections = connection.execute(CONNECTIONS.encode()).fetchall()

    assert [seen[sample("ledger_up", ledger=ledger)] for ledger in ("impact", "budget")] == [1, 1]
    assert seen[sample("ledger_quest_budget_usd", quest="Quest 3")] == 13
    assert connections == [("ledger_exporter", True)]


def test_every_step_is_followed() -> None:
    """The role, the installation, the check and the program, in this order."""
    beginnings = (
        "psql",
        "psql",
        "python3",
        "venv/bin/pip",
        "venv/bin/pip",
        "export",
        *["venv/bin/ledger-exporter"] * 2,
    )

    assert beginnings == tuple(command.split()[0] for command in FOLLOWED["README.md"])
