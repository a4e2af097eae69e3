"""The ledgers of the reference schema: created, filled with a small platform, and named in a configuration."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg

from tests.support import postgres

SCHEMA = Path(__file__).parents[1] / "oracle" / "schema.sql"
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


def create_ledgers(dsn: str) -> None:
    """Create the three ledgers of the reference schema in a database."""
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute(SCHEMA.read_text())


@contextmanager
def small_platform(server: postgres.Server) -> Iterator[str]:
    """A database with the ledgers of a small platform, dropped at the end; its connection string."""
    name = server.create_database(create_ledgers)
    dsn = server.dsn(name)
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute(LEDGERS)
    try:
        yield dsn
    finally:
        server.drop_database(name)


def configure(file: Path, dsn: str, interval: str = "300ms", timeout: str = "10s") -> Path:
    """Write a configuration for a database and return where."""
    file.write_text(CONFIGURATION.format(dsn=dsn, interval=interval, timeout=timeout))
    return file
