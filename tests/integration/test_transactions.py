"""The database belongs to others: how the exporter's transactions begin, end, wait, and leave the session as it was."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import psycopg
import pytest

from exporter import config_file
from exporter.config import CostLedger
from exporter.databases.postgresql import Source
from exporter.errors import SourceError
from exporter.ledgers.cost import Cost
from exporter.ledgers.probe import probe
from exporter.ledgers.question import Question
from exporter.names.families import Families
from exporter.publishing.snapshot import Snapshot
from exporter.reading.reading import Reading
from exporter.refresher import Refresher
from exporter.sums import TaskNumbers
from tests.support import postgres
from tests.support.example_rows import NOON
from tests.support.exporter_process import eventually
from tests.support.ledgers import create_ledgers
from tests.support.sources import ALL_LEDGERS, refresh_once, source, up

pytestmark = pytest.mark.both_servers

SOON_SECONDS = 10.0
"""Far less than what is waited for would take by itself."""
ALL_UP = {"cost": True, "impact": True, "budget": True}

REPLICATED = {"wal_level": "replica", "max_wal_senders": "4"}
HOSTILE = {
    "standard_conforming_strings": "off",
    "DateStyle": "German, DMY",
    "IntervalStyle": "sql_standard",
    "TimeZone": "Pacific/Auckland",
    "extra_float_digits": "-15",
    "bytea_output": "escape",
    "transform_null_equals": "on",
    "default_transaction_isolation": "serializable",
    "default_transaction_deferrable": "on",
}
"""Settings of a role or database that change what an expression means, or what its result looks like."""

MAPPED = {
    "created_at": "'12/01/2026 10:00'::timestamp",
    "cost_usd": r"case when booked ~ '^\d+([.]\d+)?$' then booked end",
    "model": "(interval '1 day 2 hours')::text",
    "provider": "(date '2026-12-01')::text",
    "quest_id": r"('\x41'::bytea)::text",
    "tokens_in": "round(exact)",
    "task_id": "exact::text",
}
"""Columns whose meaning or form depends on one of these settings each."""


@pytest.fixture
def platform(database: str) -> Iterator[psycopg.Connection[Any]]:
    """The platform's own connection, which books."""
    with psycopg.connect(database, autocommit=True, options="-c statement_timeout=0") as connection:
        yield connection


@contextmanager
def refreshing(dsn: str, *lines: str, timeout: str = "20s") -> Iterator[Refresher]:
    """The refresher of a database under a configuration with further lines."""
    text = f'sources: {{main: {{dsn: "{dsn}"}}}}\nledgers:\n' + "\n".join(f"  {line}" for line in lines or ALL_LEDGERS)
    settings = config_file.parse(f"{text}\nrefresh: {{timeout: {timeout}}}")
    with source(dsn, settings.refresh.timeout) as opened:
        yield Refresher.new(settings, {"main": opened})


def refresh(refresher: Refresher, seconds: int) -> Snapshot:
    """What the refresh of some seconds after noon publishes."""
    return refresher.run(NOON + timedelta(seconds=seconds)).snapshot


def hostile(platform: psycopg.Connection[Any], settings: dict[str, str]) -> None:
    """Give every new session of the database these settings."""
    for name, value in settings.items():
        platform.execute(f"alter database {platform.info.dbname} set {name} = {value!r}")


class TestSession:
    def test_settings_of_a_role_or_database_change_no_meaning(
        self, database: str, platform: psycopg.Connection[Any]
    ) -> None:
        platform.execute("create table charges (id bigint, booked text, exact double precision)")
        platform.execute("insert into charges values (1, '1.25', 0.1), (2, '2', 12345.678901234567), (3, 'free', null)")
        mapping = CostLedger(source="main").model_copy(
            update={"relation": "charges", "columns": {"tokens_out": None, **MAPPED}}
        )

        def charges() -> object:
            with refreshing(
                database, f"cost: {mapping.model_dump_json(exclude_defaults=True)}", *ALL_LEDGERS[1:]
            ) as one:
                snapshot = refresh(one, 0)
                (reader,) = [each.ledgers["cost"] for each in one.readers.databases.values()]
                assert up(snapshot) == ALL_UP
                assert reader.loaded is not None
                return reader.loaded.future.sums, reader.loaded.newest.sums

        before = charges()
        hostile(platform, HOSTILE)
        assert charges() == before

    def test_the_session_is_left_as_it_was(self, database: str, platform: psycopg.Connection[Any]) -> None:
        """Behind a pooler it belongs to an application, which may have settings of its own."""
        hostile(platform, HOSTILE)
        with refreshing(database) as refresher:
            refresh(refresher, 0)
            connection = opened(refresher)._session.connection  # noqa: SLF001 - it is the session that an application shares
            assert connection is not None
            connection.execute("set work_mem = '7MB'")
            before = settings_of(connection)
            for seconds in (15, 30):
                assert up(refresh(refresher, seconds)) == ALL_UP

            assert settings_of(connection) == before

    def test_a_standby_is_read_whatever_isolation_is_the_default(self, server: postgres.Server) -> None:
        """A transaction that is serializable, if only for its first statement, is refused on a hot standby."""
        primary = postgres.start(server.programs, REPLICATED)
        try:
            create_ledgers(primary.dsn())
            with psycopg.connect(primary.dsn(), autocommit=True) as platform:
                hostile(platform, {"default_transaction_isolation": "serializable"})
            standby = postgres.replicate(primary, REPLICATED)
            try:
                with psycopg.connect(standby.dsn()) as application, pytest.raises(psycopg.errors.FeatureNotSupported):
                    application.execute("select 1")
                assert up(refresh_once(*ALL_LEDGERS, dsn=standby.dsn())) == ALL_UP
            finally:
                standby.stop()
        finally:
            primary.stop()


def opened(refresher: Refresher) -> Source:
    """The only source."""
    (database,) = refresher.readers.databases.values()
    return database._source  # noqa: SLF001 - no other test looks behind it


def settings_of(connection: psycopg.Connection[Any]) -> dict[str, str]:
    """All settings of a session outside of a transaction."""
    return dict(connection.execute("select name, setting from pg_settings").fetchall())


class TestLocks:
    def test_a_waiting_migration_is_not_held_up(self, database: str, platform: psycopg.Connection[Any]) -> None:
        """ALTER TABLE waits for an application, and the exporter behind it: not for long, and its other ledgers are read."""
        with refreshing(database) as refresher, psycopg.connect(database) as application:
            refresh(refresher, 0)
            application.execute("select from cost_ledger")
            migration = threading.Thread(target=platform.execute, args=["alter table cost_ledger add column team text"])
            migration.start()
            with psycopg.connect(database, autocommit=True) as observer:
                eventually(lambda: waits(observer, "alter table"), "the migration does not wait")
            began = time.monotonic()
            during = refresh(refresher, 15)
            assert time.monotonic() - began < SOON_SECONDS
            application.rollback()
            migration.join()
            after = refresh(refresher, 30)

        assert up(during) == {**ALL_UP, "cost": False}
        assert "lock timeout" in str(during.health["cost"].error)
        assert up(after) == ALL_UP


def waits(observer: psycopg.Connection[Any], statement: str) -> bool:
    """Tell whether a statement waits for a lock."""
    question = "select from pg_stat_activity where wait_event_type = 'Lock' and query ilike %s"
    return bool(observer.execute(question, [f"{statement}%"]).fetchall())


class TestFailures:
    def test_a_timeout_of_one_ledger_touches_no_other(self, database: str, platform: psycopg.Connection[Any]) -> None:
        """Nor at the refresh after it; and when it is over, the ledger is read again."""
        platform.execute("create view outcomes as select * from impact_ledger")
        with refreshing(database, ALL_LEDGERS[0], "impact: {source: main, relation: outcomes}", ALL_LEDGERS[2],
                        timeout="1s") as refresher:  # fmt: skip
            assert up(refresh(refresher, 0)) == ALL_UP
            platform.execute(
                "create or replace view outcomes as select impact_ledger.* from pg_sleep(30), impact_ledger"
            )
            for seconds in (15, 30):
                platform.execute(
                    "insert into cost_ledger (id, created_at, provider, cost_usd) values (%s, %s, 'glm', 1)",
                    [seconds, NOON + timedelta(seconds=seconds)],
                )
                snapshot = refresh(refresher, seconds)
                assert up(snapshot) == {**ALL_UP, "impact": False}, snapshot.health
                assert charged(refresher) == seconds // 15
            platform.execute("create or replace view outcomes as select * from impact_ledger")
            found = [up(refresh(refresher, seconds)) for seconds in range(45, 150, 15)]

        assert found[-1] == ALL_UP

    @pytest.mark.parametrize(
        ("change", "state"),
        [
            ("drop table impact_ledger", "42P01"),
            ("alter table impact_ledger drop column layer", "42703"),
            ("alter table impact_ledger alter impact_score type text using 'good'", "22P02"),
        ],
    )
    def test_an_error_knows_its_ledger_and_its_code(
        self, database: str, platform: psycopg.Connection[Any], change: str, state: str
    ) -> None:
        platform.execute(
            "insert into impact_ledger (id, created_at, cost_usd, impact_score) values (1, %s, 1, 1)", [NOON]
        )
        with refreshing(database) as refresher:
            assert up(refresh(refresher, 0)) == ALL_UP
            platform.execute(change)
            readings = read(refresher, 15)
            again = read(refresher, 30)

        for found in (readings, again):
            assert {each.ledger for each in found if each.part is not None} == {"cost", "budget"}
            (error,) = [each.error for each in found if each.error is not None]
            assert error.endswith(f"SQLSTATE {state}")
            assert error.startswith("source main: ")

    def test_a_table_that_becomes_a_view_is_read_on(self, database: str, platform: psycopg.Connection[Any]) -> None:
        """A view has no versions of rows: what is asked of it is another question, from the same refresh on."""
        with refreshing(database) as refresher:
            refresh(refresher, 0)
            with platform.transaction():
                platform.execute("alter table cost_ledger rename to charges")
                platform.execute("create view cost_ledger as select * from charges")

            assert [up(refresh(refresher, seconds)) for seconds in (15, 30)] == [ALL_UP] * 2

    def test_a_refused_query_raises_its_code_and_owner(self, database: str) -> None:
        ledger = CostLedger(source="main").model_copy(update={"relation": "nowhere"})
        with source(database) as one, pytest.raises(SourceError) as refused, one.snapshot() as transaction:
            transaction.hold(probe(Cost(ledger, Families([]), TaskNumbers()), Question(NOON)))

        assert (refused.value.sqlstate, refused.value.owner, refused.value.kind) == ("42P01", "cost", "query")


def charged(refresher: Refresher) -> int:
    """The number of charges that are known."""
    (database,) = refresher.readers.databases.values()
    loaded = database.ledgers["cost"].loaded
    assert loaded is not None
    return loaded.rows


def read(refresher: Refresher, seconds: int) -> Sequence[Reading]:
    """What the source says at a refresh some seconds after noon."""
    (database,) = refresher.readers.databases.values()
    database.begin()
    return database.read(Question(NOON + timedelta(seconds=seconds), timedelta(hours=24)))


class TestStatements:
    def test_they_are_prepared_once(self, database: str) -> None:
        with refreshing(database) as refresher:
            for seconds in (0, 15, 30):
                refresh(refresher, seconds)
            first = prepared(refresher)
            refresh(refresher, 45)

            assert first
            assert prepared(refresher) == first

    def test_those_that_vanish_fail_no_refresh(self, database: str) -> None:
        """A pooler, or DISCARD ALL, takes them away: the source is connected again, and after a second time prepares none."""
        with refreshing(database) as refresher:
            for seconds in (0, 15, 30, 45, 60):
                snapshot = refresh(refresher, seconds)
                assert up(snapshot) == ALL_UP
                assert {health.error for health in snapshot.health.values()} == {None}
                connection = opened(refresher)._session.connection  # noqa: SLF001 - the session in which they vanish
                assert connection is not None
                connection.pgconn.exec_(b"deallocate all")  # as somebody else: the driver does not hear of it

            refresh(refresher, 75)
            assert prepared(refresher) == set()

    def test_a_column_that_changes_its_type_is_read_on(self, database: str, platform: psycopg.Connection[Any]) -> None:
        """A prepared statement would fail for ever: "cached plan must not change result type"."""
        with refreshing(database) as refresher:
            for seconds in (0, 15, 30):
                refresh(refresher, seconds)
            platform.execute("alter table cost_ledger alter tokens_in type numeric")

            assert up(refresh(refresher, 45)) == ALL_UP


def prepared(refresher: Refresher) -> set[str]:
    """The names of the statements that are prepared in the source's session."""
    connection = opened(refresher)._session.connection  # noqa: SLF001 - they are the session's
    assert connection is not None
    return {name for (name,) in connection.execute("select name from pg_prepared_statements", prepare=False).fetchall()}
