"""A ledger is locked, slow, taken away or changed while it is read: that one is down, the others go on."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
import pytest

from tests.support.exporter_process import eventually
from tests.support.scene import ROLE, Scene

pytestmark = pytest.mark.slow

COST = ("cost",)
PATIENCE_SECONDS = 12
"""Between a query's timeout and the end of all patience lies a tenth of what was left."""
SLOW = "select rows.* from cost_rows as rows, pg_sleep(60)"
SPILLING = """
select rows.* from cost_rows as rows,
    (select count(*) from (select md5(n::text) as hash from generate_series(1, 200000) as n order by hash offset 1) as n) as n
"""


@contextmanager
def holding(scene: Scene, statement: str) -> Iterator[psycopg.Connection[Any]]:
    """Another session, in the middle of a transaction."""
    with psycopg.connect(scene.server.dsn(scene.database)) as session:
        session.execute(statement.encode())
        yield session


def test_locked(scene: Scene) -> None:
    """Somebody has locked a ledger for a long time: it is given up soon, and nobody waits behind the exporter."""
    with holding(scene, "select 1") as session:
        scene.endures(
            lambda: session.execute("lock table impact_ledger in access exclusive mode"),
            session.rollback,
            down=["impact"],
            says="timeout",
        )


@pytest.mark.parametrize(
    ("rows", "says"),
    [
        pytest.param(SLOW, "statement timeout", id="slow"),
        pytest.param(SPILLING, "temporary file size exceeds", id="disk full"),
    ],
)
def test_a_query_fails(scene: Scene, rows: str, says: str) -> None:
    """It takes longer than its timeout, or there is no room on the server's disk for what it sorts."""

    def mend() -> None:
        scene.disconnect()  # who still waits for it
        scene.execute("drop view cost_ledger", "alter table cost_rows rename to cost_ledger")

    with scene.patient(PATIENCE_SECONDS):
        scene.endures(
            lambda: scene.execute(
                "alter table cost_ledger rename to cost_rows",
                f"create view cost_ledger as {rows}",
                f"grant select on cost_ledger to {ROLE}",
            ),
            mend,
            down=COST,
            says=says,
        )


def test_privileges_revoked(scene: Scene) -> None:
    """Rights are taken away while the connection is open."""
    scene.endures(
        lambda: scene.execute(f"revoke select on impact_ledger from {ROLE}"),
        lambda: scene.execute(f"grant select on impact_ledger to {ROLE}"),
        down=["impact"],
        says="permission denied for table impact_ledger; SQLSTATE 42501",
    )


def test_rows_hidden_by_a_policy(scene: Scene) -> None:
    """Row-level security would make every sum too small without a word: it is an error, not a smaller figure."""
    scene.endures(
        lambda: scene.execute("alter table cost_ledger enable row level security"),
        lambda: scene.execute("alter table cost_ledger disable row level security"),
        down=COST,
        says='row-level security policy for table "cost_ledger"',
    )


def test_a_column_dropped(scene: Scene) -> None:
    """It is back later, with what was in it."""
    scene.endures(
        lambda: scene.execute(
            "create table layers as select id, layer from impact_ledger", "alter table impact_ledger drop column layer"
        ),
        lambda: scene.execute(
            "alter table impact_ledger add column layer text",
            "update impact_ledger set layer = layers.layer from layers where layers.id = impact_ledger.id",
            "drop table layers",
        ),
        down=["impact"],
        says='column "layer" does not exist',
    )


def test_a_column_renamed(scene: Scene) -> None:
    """The configuration does not know yet."""
    scene.endures(
        lambda: scene.execute("alter table cost_ledger rename column cost_usd to price"),
        lambda: scene.execute("alter table cost_ledger rename column price to cost_usd"),
        down=COST,
        says='column "cost_usd" does not exist',
    )


def test_a_column_retyped_to_what_does_not_fit(scene: Scene) -> None:
    """Text that is no number is told with what to do; the row is not left out in silence, nor counted as nothing."""
    scene.endures(
        lambda: scene.execute(
            "alter table quest_budget_allocations alter column allocated_usd type text",
            "insert into quest_budget_allocations (quest_id, day, allocated_usd) values ('q', '2026-04-10', 'much')",
        ),
        lambda: scene.execute(
            "delete from quest_budget_allocations where allocated_usd = 'much'",
            "alter table quest_budget_allocations alter column allocated_usd type numeric using allocated_usd::numeric",
        ),
        down=["budget"],
        says='invalid input syntax for type numeric: "much"; hint: a column is text',
    )


def test_a_column_retyped_while_a_refresh_waits(scene: Scene) -> None:
    """A rewritten table looks empty to a snapshot of before: that must not be taken for an empty ledger."""

    def retype(kind: str) -> None:
        with holding(scene, f"alter table cost_ledger alter column cost_usd type {kind}") as session:
            eventually(scene.waits_for_a_lock, "no refresh waits")
            session.commit()

    scene.passes_over(lambda: retype("numeric(20, 9)"), lambda: retype("numeric"))


def test_a_table_replaced_by_a_view(scene: Scene) -> None:
    """The rows are where they were: nothing is lost, and nothing counts twice."""
    scene.shrugs_off(
        lambda: scene.execute(
            "alter table cost_ledger rename to cost_rows",
            "create view cost_ledger as select * from cost_rows",
            f"grant select on cost_ledger to {ROLE}",
        ),
        lambda: scene.execute("drop view cost_ledger", "alter table cost_rows rename to cost_ledger"),
    )
