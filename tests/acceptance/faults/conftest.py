"""Fixtures of the faults: one scene for all that a platform survives together, so that the same process survives it all."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from tests.support import postgres
from tests.support.exporter_process import Exporter, sample
from tests.support.proxy import Proxy
from tests.support.scene import PASSWORDS, ROLE, SETTINGS, Scene, configure, furnish
from tests.support.witness import Platform, Witness


@pytest.fixture(scope="package", params=postgres.SERVERS)
def server(request: pytest.FixtureRequest) -> Iterator[postgres.Server]:
    """A server that may be stopped, killed and starved."""
    running = postgres.start(postgres.programs_of(request.param), SETTINGS)
    rules = running.directory / "data" / "pg_hba.conf"
    rules.write_text(f"local all {ROLE} scram-sha-256\n{rules.read_text()}")
    yield running
    running.stop()


@pytest.fixture(scope="package")
def network(server: postgres.Server) -> Iterator[Proxy]:
    """What lies between the exporter and the server."""
    with Proxy(server.directory) as proxy:
        yield proxy


@pytest.fixture(scope="package")
def password(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file with the exporter's password."""
    file = tmp_path_factory.mktemp("secrets") / "password"
    file.write_text(f"{PASSWORDS[0]}\n")
    return file


@pytest.fixture(scope="package")
def scene(
    server: postgres.Server, network: Proxy, password: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Scene]:
    """A platform that books, an exporter that reads it through the network, and a witness of every scrape."""
    database = furnish(server)
    with psycopg.connect(server.dsn(), autocommit=True) as connection:
        connection.execute("select pg_reload_conf()")
    config = configure(
        tmp_path_factory.mktemp("faults") / "ledger-exporter.yml",
        f"host=127.0.0.1 port={network.port} sslmode=disable user={ROLE} dbname={database}",
        password=password,
    )
    with Exporter(config) as exporter:
        exporter.until(lambda scrape: all(scrape.get(sample("ledger_up", ledger=each)) for each in ("cost", "budget")))
        platform = Platform(server.dsn(database))
        with Witness(exporter, platform) as witness, platform:
            yield Scene(server, database, config, exporter, platform, witness)
