"""Fixtures of the acceptance tests: a small platform with ledgers that are known by heart, and its configuration."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from tests.support import postgres
from tests.support.ledgers import configure, small_platform


@pytest.fixture
def dsn(server: postgres.Server) -> Iterator[str]:
    """The connection string of a database with the ledgers of a small platform."""
    with small_platform(server) as dsn:
        yield dsn


@pytest.fixture(scope="module")
def shared_dsn(server: postgres.Server) -> Iterator[str]:
    """The connection string of a database like that of `dsn`, which the tests of a module share."""
    with small_platform(server) as dsn:
        yield dsn


@pytest.fixture
def platform(dsn: str) -> Iterator[psycopg.Connection[Any]]:
    """The platform's own connection."""
    with psycopg.connect(dsn, autocommit=True) as connection:
        yield connection


@pytest.fixture
def config(dsn: str, tmp_path: Path) -> Path:
    """A configuration for the small platform with refreshes in quick succession."""
    return configure(tmp_path / "ledger-exporter.yml", dsn)
