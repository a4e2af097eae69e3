"""The exporter reads a hot standby that conflicts with its primary, and that takes its primary's place."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from tests.support import postgres
from tests.support.comparison import as_published, check, snapshot_instant
from tests.support.exporter_process import Exporter, eventually, sample
from tests.support.proxy import Proxy
from tests.support.scene import ROLE, SETTINGS, configure, furnish, passes_since
from tests.support.witness import LEDGERS

pytestmark = pytest.mark.slow

IMPATIENT = {"max_standby_streaming_delay": "0", "hot_standby_feedback": "off"}
"""Replay does not wait for queries: whoever reads what is cleaned up on the primary is cancelled."""


@pytest.fixture
def primary(server: postgres.Server) -> Iterator[postgres.Server]:
    started = postgres.start(server.programs, SETTINGS)
    yield started
    started.stop()


@pytest.fixture
def database(primary: postgres.Server) -> str:
    return furnish(primary)


@pytest.fixture
def standby(primary: postgres.Server, database: str) -> Iterator[postgres.Server]:
    server = postgres.replicate(primary, {**SETTINGS, **IMPATIENT})
    yield server
    server.stop()


def as_role(dsn: str) -> str:
    """The same connection for the exporter's role."""
    return dsn.replace("user=postgres", f"user={ROLE}")


def has_replayed(primary: postgres.Server, standby: postgres.Server) -> bool:
    """Whether the standby has all that the primary has by now."""
    with psycopg.connect(primary.dsn()) as asking:
        ((end,),) = asking.execute("select pg_current_wal_lsn()").fetchall()
    with psycopg.connect(standby.dsn()) as asking:
        ((done,),) = asking.execute("select pg_last_wal_replay_lsn() >= %s::pg_lsn", [end]).fetchall()
    return bool(done)


def test_recovery_conflict(primary: postgres.Server, standby: postgres.Server, database: str, tmp_path: Path) -> None:
    """A query on the standby is cancelled because the primary has cleaned up what it reads: one refresh fails, not the next."""
    with psycopg.connect(primary.dsn(database), autocommit=True) as platform:
        platform.execute("alter table cost_ledger rename to cost_rows")
        platform.execute("create view cost_ledger as select rows.* from pg_sleep(0.1), cost_rows as rows")
        platform.execute(f"grant select on cost_ledger to {ROLE}")
        eventually(lambda: has_replayed(primary, standby), "the standby does not follow")
        with Exporter(configure(tmp_path / "c.yml", as_role(standby.dsn(database)), timeout="30s")) as exporter:
            exporter.until(lambda scrape: scrape.get(sample("ledger_up", ledger="cost")) == 1)

            def conflicts() -> bool:
                platform.execute("update cost_rows set tokens_in = tokens_in + 1")
                platform.execute("vacuum cost_rows")
                return any("conflict with recovery" in str(event.get("error")) for event in exporter.events)

            eventually(conflicts, "no conflict")
            platform.execute("create or replace view cost_ledger as select * from cost_rows")
            eventually(lambda: has_replayed(primary, standby), "the standby does not follow")
            mended = time.time()
            eventually(lambda: any(event["cost_up"] for event in passes_since(exporter, mended)), "it does not recover")
            passes = [event["cost_up"] for event in passes_since(exporter, mended)]
            assert passes.index(True) <= 1, f"recovered by pass {1 + passes.index(True)}"
            scrape = exporter.until(lambda scrape: scrape[sample("ledger_up", ledger="cost")] == 1)
            check([primary.dsn(database)], snapshot_instant(scrape), as_published(scrape))


def test_failing_over(primary: postgres.Server, standby: postgres.Server, database: str, tmp_path: Path) -> None:
    """The primary dies, its standby is promoted and has its address: the same process goes on with the new server."""
    eventually(lambda: has_replayed(primary, standby), "the standby does not follow")
    with Proxy(primary.directory) as network:
        dsn = f"host=127.0.0.1 port={network.port} sslmode=disable user={ROLE} dbname={database}"
        with Exporter(configure(tmp_path / "c.yml", dsn)) as exporter:
            before = exporter.until(lambda scrape: scrape.get(sample("ledger_up", ledger="cost")) == 1)
            primary.halt(signal.SIGKILL)
            down = exporter.until(lambda scrape: not any(scrape[sample("ledger_up", ledger=each)] for each in LEDGERS))
            with psycopg.connect(standby.dsn(), autocommit=True) as operator:
                operator.execute("select pg_promote()")
            with psycopg.connect(standby.dsn(database), autocommit=True) as platform:
                platform.execute(
                    "insert into cost_ledger (id, created_at, provider, cost_usd) values (999, now(), 'glm', 7)"
                )
            network.target = standby.directory
            exporter.wait_for("ledger can be read again", ledger="cost")
            after = exporter.until(lambda scrape: scrape[sample("ledger_up", ledger="cost")] == 1)

            spend = sample("ledger_provider_spend_usd", provider="MiniMax", window="all")
            glm = sample("ledger_provider_spend_usd", provider="GLM", window="all")
            assert before[spend] == down[spend] == after[spend]
            assert after[glm] == 7
            check([standby.dsn(database)], snapshot_instant(after), as_published(after))
