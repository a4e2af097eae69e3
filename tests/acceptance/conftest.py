"""Fixtures of the acceptance tests: a small platform with ledgers that are known by heart, and its configuration."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from tests.support import postgres
from tests.support.ledgers import LEDGERS, configure, create_ledgers


@pytest.fixture
def dsn(pg18: postgres.Server) -> Iterator[str]:
    """The connection string of a database with the ledgers of a small platform."""
    name = pg18.create_database()
    create_ledgers(pg18.dsn(name))
    with psycopg.connect(pg18.dsn(name), autocommit=True) as connection:
        connection.execute(LEDGERS)
    yield pg18.dsn(name)
    pg18.drop_database(name)


@pytest.fixture
def platform(dsn: str) -> Iterator[psycopg.Connection[Any]]:
    """The platform's own connection."""
    with psycopg.connect(dsn, autocommit=True) as connection:
        yield connection


@pytest.fixture
def config(dsn: str, tmp_path: Path) -> Path:
    """A configuration for the small platform with refreshes in quick succession."""
    return configure(tmp_path / "ledger-exporter.yml", dsn)
