"""Row-level security: rows that a policy hides are an error, and a part of a ledger is read only where that is said."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import psycopg
import pytest

from exporter.publishing.snapshot import Snapshot
from tests.support.sources import ALL_LEDGERS, refresh_once, up

pytestmark = pytest.mark.both_servers

ROLE = "tenant_reader"
HIDING = """
insert into cost_ledger (id, created_at, provider, quest_id, cost_usd)
select n, '2026-04-10 11:00Z', 'codex', 'tenant ' || n, 10 * n from generate_series(1, 2) as n;
alter table cost_ledger enable row level security;
grant select on all tables in schema public to tenant_reader;
"""
ONE_TENANT = """
create view tenants_charges as select * from cost_ledger where quest_id = 'tenant 1';
grant select on tenants_charges to tenant_reader;
"""


def spent(snapshot: Snapshot) -> Decimal:
    """All dollars ever charged, as far as the exporter knows."""
    assert snapshot.cost is not None
    return sum((spend.usd for _, _, spend in snapshot.cost.spend.rows()), Decimal(0))


@pytest.fixture
def platform(database: str) -> Iterator[psycopg.Connection[Any]]:
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute(f"create role {ROLE} login")
        connection.execute(HIDING)
        yield connection
        connection.execute(f"drop owned by {ROLE}; drop role {ROLE}")


@pytest.mark.parametrize("policy", [None, "using (false)", "using (quest_id = 'tenant 1')", "using (true)"])
def test_a_policy_that_may_hide_rows_is_an_error(
    database: str, platform: psycopg.Connection[Any], policy: str | None
) -> None:
    """None at all hides everything; PostgreSQL does not tell what one hides, so each of them is refused."""
    if policy:
        platform.execute(f"create policy hiding on cost_ledger {policy}")
    snapshot = refresh_once(*ALL_LEDGERS, dsn=database.replace("user=postgres", f"user={ROLE}"))

    assert up(snapshot) == {"cost": False, "impact": True, "budget": True}
    assert 'row-level security policy for table "cost_ledger"' in str(snapshot.health["cost"].error)
    assert snapshot.cost is None


def test_a_role_that_no_policy_concerns_reads_all(database: str, platform: psycopg.Connection[Any]) -> None:
    platform.execute(f"alter role {ROLE} bypassrls")
    snapshot = refresh_once(*ALL_LEDGERS, dsn=database.replace("user=postgres", f"user={ROLE}"))

    assert spent(snapshot) == 30


def test_a_view_reads_a_part_on_purpose(database: str, platform: psycopg.Connection[Any]) -> None:
    """Its owner sees all rows, and what it leaves out stands in it."""
    platform.execute(ONE_TENANT)
    ledgers = ("cost: {source: main, relation: tenants_charges}", *ALL_LEDGERS[1:])
    snapshot = refresh_once(*ledgers, dsn=database.replace("user=postgres", f"user={ROLE}"))

    assert spent(snapshot) == 10
