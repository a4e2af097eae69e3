"""Fixtures of the acceptance tests: a small platform with ledgers that are known by heart, and its configuration."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from tests import postgres
from tests.conftest import create_ledgers

LEDGERS = """
insert into cost_ledger
select n, now() - n * interval '1 hour', (array['bedrock/claude-3', 'MiniMax-M2', 'codex-mini', 'max', null])[1 + n % 5],
       'model-' || n % 3, 'task-' || n % 40, 'quest-' || n % 4, 100 * n, 10 * n, n * 0.01
from generate_series(1, 200) as n;

insert into impact_ledger
select n, now() - n * interval '2 hours', null, 'task-' || n, 'Task ' || n, 'quest-' || n % 4,
       (array['Agora', 'Exchange', 'Forge', 'Atlas', 'Senate'])[1 + n % 5], 500 * n, n * 0.02,
       case when n % 3 > 0 then (n % 7) * 0.25 end
from generate_series(1, 100) as n;

insert into quest_budget_allocations
select 'quest-' || quest, 'Quest ' || quest, (now() at time zone 'utc')::date - age, 10 + quest, 5
from generate_series(0, 3) as quest, generate_series(0, 9) as age;
"""

CONFIGURATION = """\
sources:
  main: {{dsn: "{dsn}"}}
ledgers:
  cost: {{source: main}}
  impact: {{source: main}}
  budget: {{source: main}}
refresh: {{interval: {interval}, timeout: {timeout}, max_age: 15m}}
"""


def configure(file: Path, dsn: str, interval: str = "300ms", timeout: str = "10s") -> Path:
    """Write a configuration for a database and return where."""
    file.write_text(CONFIGURATION.format(dsn=dsn, interval=interval, timeout=timeout))
    return file


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
