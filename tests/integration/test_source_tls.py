"""TLS to the database: with `sslmode=verify-full` it is told from anyone else, or it is not read."""

from __future__ import annotations

import os
import shutil
import socket
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest

from tests import postgres
from tests.acceptance.conftest import configure
from tests.certificates import Authority, Pair
from tests.exporter_process import eventually, run
from tests.integration.test_source import ask, refused, source

ROLE = "guarded"
LOADED = "select pg_conf_load_time()::text"
ENCRYPTED = "select ssl, version from pg_stat_ssl where pid = pg_backend_pid()"


class Guarded:
    """A server that speaks TLS, on an address of the machine, and demands a certificate of one role."""

    def __init__(self, server: postgres.Server, folder: Path) -> None:
        self.server = server
        self.authority = Authority(folder)
        self._data = server.directory / "data"
        rules = self._data / "pg_hba.conf"
        rules.write_text(f"hostssl all {ROLE} 127.0.0.1/32 cert\n{rules.read_text()}")
        self._install(self.authority.cert, "authority.pem")
        self._execute(f"create role {ROLE} login", "alter system set ssl_ca_file = 'authority.pem'")
        self.shows(self.authority.server())

    def shows(self, pair: Pair | None) -> None:
        """Let the server show a certificate from now on; without one it does not speak TLS."""
        if pair:
            self._install(pair.cert, "server.crt")
            self._install(pair.key, "server.key")
        before = self._execute(LOADED)
        self._execute(f"alter system set ssl = {'on' if pair else 'off'}", "select pg_reload_conf()")
        eventually(lambda: self._execute(LOADED) != before, "the server does not read its settings")

    def dsn(self, *, host: str = "localhost", **further: object) -> str:
        """How the exporter connects, by TCP."""
        given = {"sslrootcert": self.authority.cert, "user": "postgres", **further}
        options = " ".join(f"{name}={value}" for name, value in given.items())
        return f"host={host} hostaddr=127.0.0.1 port={self.server.port} dbname=postgres sslmode=verify-full {options}"

    def _install(self, file: Path, name: str) -> None:
        """Put a file where the server reads it: keys that others may read it refuses."""
        copy, owner = self._data / name, self._data.stat()
        shutil.copyfile(file, copy)
        copy.chmod(0o600)
        os.chown(copy, owner.st_uid, owner.st_gid)

    def _execute(self, *statements: str) -> list[tuple[Any, ...]]:
        with psycopg.connect(self.server.dsn(), autocommit=True) as connection:
            for statement in statements:
                cursor = connection.execute(statement.encode())
            return cursor.fetchall() if cursor.description else []


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guarded]:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    server = postgres.start(postgres.system_bin(), {"listen_addresses": "127.0.0.1", "port": port})
    try:
        yield Guarded(server, tmp_path_factory.mktemp("certificates"))
    finally:
        server.stop()


def said(dsn: str) -> str:
    """What is said of a database that is not read."""
    with source(dsn) as opened:
        return refused(lambda: ask(opened, ENCRYPTED))


def test_who_proves_to_be_the_database_is_read(guarded: Guarded) -> None:
    with source(guarded.dsn()) as opened:
        assert ask(opened, ENCRYPTED) == [(True, "TLSv1.3")]


def test_whom_another_authority_vouches_for_is_not_read(guarded: Guarded, tmp_path: Path) -> None:
    assert "certificate verify failed" in said(guarded.dsn(sslrootcert=Authority(tmp_path, "stranger").cert))


def test_who_has_the_certificate_of_another_host_is_not_read(guarded: Guarded) -> None:
    assert 'does not match host name "db.example.org"' in said(guarded.dsn(host="db.example.org"))


def test_a_database_without_tls_is_not_read(guarded: Guarded) -> None:
    guarded.shows(None)
    try:
        assert "server does not support SSL, but SSL was required" in said(guarded.dsn())
    finally:
        guarded.shows(guarded.authority.server())


def test_who_names_no_authority_is_told_to(guarded: Guarded, tmp_path: Path) -> None:
    """There is none in the home folder, where libpq looks; `check` says how to name it, and then there is a connection."""
    config, named = tmp_path / "ledger-exporter.yml", f"sslrootcert={guarded.authority.cert}"
    said = []
    for dsn in (guarded.dsn().replace(named, ""), guarded.dsn()):
        configure(config, dsn)
        ended = run("check", "--deep", f"--config.file={config}", environment={"HOME": str(tmp_path)})
        said.append("-> add to the connection string sslrootcert=FILE" in ended.stdout)

    assert said == [True, False]
    assert "ok       the connection is encrypted" in ended.stdout


def test_an_expired_certificate_is_refused_and_a_new_one_accepted(guarded: Guarded) -> None:
    """Without a restart: the next connection is to whoever proves it then."""
    guarded.shows(guarded.authority.server("expired", -timedelta(days=1)))
    with source(guarded.dsn()) as opened:
        expired = refused(lambda: ask(opened, ENCRYPTED))
        guarded.shows(guarded.authority.server())
        renewed = ask(opened, ENCRYPTED)

    assert "certificate verify failed" in expired
    assert renewed == [(True, "TLSv1.3")]


def test_the_exporter_proves_who_it_is_where_the_database_asks(guarded: Guarded) -> None:
    own, other = guarded.authority.client(ROLE), guarded.authority.client("other")
    for pair in (own, other):
        pair.key.chmod(0o600)  # or libpq refuses it
    with source(guarded.dsn(user=ROLE, sslcert=own.cert, sslkey=own.key)) as opened:
        assert ask(opened, "select current_user") == [(ROLE,)]

    assert "certificate authentication failed" in said(guarded.dsn(user=ROLE, sslcert=other.cert, sslkey=other.key))
    assert "requires a valid client certificate" in said(guarded.dsn(user=ROLE))
