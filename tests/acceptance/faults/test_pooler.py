"""PgBouncer stands between, in transaction mode: no transaction need run on the server connection of the one before."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest

from tests.support import postgres
from tests.support.comparison import as_published, check, snapshot_instant
from tests.support.exporter_process import Exporter, sample
from tests.support.scene import ROLE, configure, furnish
from tests.support.tools import tool
from tests.support.witness import LEDGERS

pytestmark = pytest.mark.slow

SETTINGS = """\
[databases]
* = host={server} port=5432
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {port}
unix_socket_dir =
auth_type = trust
auth_file = {folder}/users
pool_mode = transaction
default_pool_size = 4
server_round_robin = 1
"""


@contextmanager
def pooler(server: postgres.Server, port: int, folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A running PgBouncer. It refuses to be root."""
    settings = folder / "pgbouncer.ini"
    settings.write_text(SETTINGS.format(server=server.directory, port=port, folder=folder))
    (folder / "users").write_text(f'"{ROLE}" ""\n"postgres" ""\n')
    account = {"user": pwd.getpwnam("postgres").pw_uid} if os.geteuid() == 0 else {}
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen([tool("pgbouncer"), "--quiet", settings], stdout=log, stderr=log, **account)
    try:
        yield process
    finally:
        process.kill()
        process.wait()


@pytest.fixture
def folder(server: postgres.Server) -> Iterator[Path]:
    """A folder that the pooler may read."""
    found = server.directory / "pooler"
    found.mkdir()
    yield found
    shutil.rmtree(found)


def settings_of(application: psycopg.Connection[Any]) -> dict[str, str]:
    """The settings of the session that an application was given, but for those that are each client's own."""
    own = ("application_name", "client_encoding")
    found = application.execute("select name, setting from pg_settings where name <> all (%s)", [list(own)])
    return dict(found.fetchall())


@pytest.mark.tools
def test_a_pooler_between(server: postgres.Server, folder: Path, tmp_path: Path) -> None:
    """Figures are right while transactions change servers, and again after the pooler was restarted.

    An application that shares the server connections finds the settings of its sessions untouched.
    """
    database = furnish(server)
    with psycopg.connect(server.dsn(), autocommit=True) as operator:
        rules = server.directory / "data" / "pg_hba.conf"
        before = rules.read_text()
        rules.write_text(f"local {database} {ROLE} trust\n{before}")
        operator.execute("select pg_reload_conf()")
    with socket.create_server(("127.0.0.1", 0)) as found:
        port = found.getsockname()[1]
    config = configure(tmp_path / "c.yml", f"host=127.0.0.1 port={port} user={ROLE} dbname={database}")

    def is_up(exporter: Exporter) -> None:
        exporter.until(lambda scrape: all(scrape.get(sample("ledger_up", ledger=each)) for each in LEDGERS))

    with pooler(server, port, folder) as process, Exporter(config) as exporter:
        is_up(exporter)
        with psycopg.connect(server.dsn(database), autocommit=True) as platform:
            others = [psycopg.connect(f"host=127.0.0.1 port={port} user={ROLE} dbname={database}") for _ in range(3)]
            with psycopg.connect(server.dsn(database), user=ROLE) as direct:
                untouched = settings_of(direct)
            for round_ in range(4):
                for other in others:  # each holds a server connection for a moment: the exporter gets another one
                    assert settings_of(other) == untouched
                platform.execute(
                    "insert into cost_ledger (id, created_at, provider, cost_usd) values (%s, now(), 'glm', 1)",
                    [900 + round_],
                )
                for other in others:
                    other.rollback()
                seen = sample("ledger_provider_spend_usd", provider="GLM", window="all")
                exporter.until(lambda scrape, wanted=round_ + 1, seen=seen: scrape.get(seen) == wanted)
            for other in others:
                other.close()
        process.send_signal(signal.SIGKILL)
        process.wait()
        exporter.until(lambda scrape: not any(scrape[sample("ledger_up", ledger=each)] for each in LEDGERS))
        with pooler(server, port, folder):
            is_up(exporter)
            scrape = exporter.scrape()
            check([server.dsn(database)], snapshot_instant(scrape), as_published(scrape))
            assert not [event for event in exporter.events if "prepared statement" in str(event)]
    rules.write_text(before)
    server.drop_database(database)
