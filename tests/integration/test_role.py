"""The role of the documentation, made by the documented command, is enough for the exporter and good for nothing else."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from tests.support import postgres
from tests.support.exporter_process import Exporter, sample
from tests.support.ledgers import LEDGERS, configure, create_ledgers

pytestmark = pytest.mark.both_servers

ROOT = Path(__file__).parents[2]
COMMAND = "psql --dbname=platform --file=docs/role.sql"
RELATIONS = ("cost_ledger", "impact_ledger", "quest_budget_allocations")


@pytest.fixture
def reader(server: postgres.Server) -> Iterator[str]:
    """The connection string of the role, made by the README's command in a database called as the README calls it."""
    assert COMMAND in (ROOT / "README.md").read_text()
    with psycopg.connect(server.dsn(), autocommit=True) as connection:
        connection.execute("create database platform")
    try:
        create_ledgers(server.dsn("platform"))
        with psycopg.connect(server.dsn("platform"), autocommit=True) as connection:
            connection.execute(LEDGERS)
        where = conninfo_to_dict(server.dsn())
        program, *arguments = COMMAND.split()
        subprocess.run(
            [server.programs / program, "--set=ON_ERROR_STOP=1", *arguments], cwd=ROOT, check=True, capture_output=True,
            env={**os.environ, "PGHOST": str(where["host"]), "PGPORT": str(where["port"]), "PGUSER": str(where["user"])},
        )  # fmt: skip
        yield make_conninfo(server.dsn("platform"), user="ledger_exporter")
    finally:
        server.drop_database("platform")
        with psycopg.connect(server.dsn(), autocommit=True) as connection:
            connection.execute("drop role if exists ledger_exporter")


def test_the_role_is_enough_for_a_refresh(reader: str, tmp_path: Path) -> None:
    """All three ledgers are read by a role that has nothing but what the file grants."""
    with Exporter(configure(tmp_path / "ledger-exporter.yml", reader)) as exporter:
        exporter.until(
            lambda samples: all(
                samples.get(sample("ledger_up", ledger=ledger)) == 1 for ledger in ("cost", "impact", "budget")
            )
        )


@pytest.mark.parametrize("relation", RELATIONS)
def test_the_role_cannot_write(reader: str, relation: str) -> None:
    """The session's default refuses to write; and who sets that aside still lacks the privilege."""
    with psycopg.connect(reader, autocommit=True) as connection:
        with pytest.raises(psycopg.errors.ReadOnlySqlTransaction):
            connection.execute(f"delete from {relation}".encode())
        connection.execute("set default_transaction_read_only = off")
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute(f"delete from {relation}".encode())
