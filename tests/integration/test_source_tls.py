"""TLS to the database: with `sslmode=verify-full` it is told from anyone else, or it is not read."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from tests.support import postgres
from tests.support.certificates import Authority
from tests.support.commands import run
from tests.support.ledgers import configure
from tests.support.sources import ask, refused, source
from tests.support.tls_server import ROLE, Guarded

pytestmark = pytest.mark.tools

ENCRYPTED = "select ssl, version from pg_stat_ssl where pid = pg_backend_pid()"


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guarded]:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    server = postgres.start(postgres.programs_of("pg15"), {"listen_addresses": "127.0.0.1", "port": port})
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
