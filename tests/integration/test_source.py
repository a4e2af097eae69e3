"""A database as the exporter meets it: read-only, one snapshot, bounded in time, and never the end of a refresh."""

from __future__ import annotations

import contextlib
import re
import socket
import threading
import time
from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal
from typing import Any

import psycopg
import pytest
from psycopg import sql
from pydantic import SecretStr

from exporter import __version__
from exporter.config import BudgetLedger, CostLedger, ProviderPattern
from exporter.databases import query
from exporter.databases.postgresql import Source
from exporter.databases.transaction import Transaction
from exporter.errors import SourceError, Stopped
from exporter.ledgers import budget, cost
from exporter.ledgers.probe import probe
from exporter.ledgers.question import Question
from exporter.ledgers.span import Span
from exporter.names.families import Families
from exporter.sums import CostPart, TaskNumbers
from exporter.sums.ranges import BEGINNING, END
from tests.support import postgres
from tests.support.example_rows import NOON
from tests.support.sources import ALL_LEDGERS, PLENTY, ask, refresh_once, refused, source, up

pytestmark = pytest.mark.both_servers

QUESTION = Question(NOON, timedelta(hours=24))
DEADLINE = 20.0
SOON_SECONDS = 10.0
"""Far less than what is asked would take by itself, or the time there is for it."""
COST = CostLedger(source="main")
BUDGET = BudgetLedger(source="main")
ANY = Families([ProviderPattern(pattern="codex", family="Codex")])
CHARGE = (
    "insert into cost_ledger (id, created_at, provider, quest_id, cost_usd) values (1, '2026-04-10 11:00Z', %s, %s, %s)"
)


def read_charges(transaction: Transaction, ledger: CostLedger) -> CostPart:
    """Read a cost ledger whole."""
    return cost.read_whole(transaction, ledger, QUESTION, ANY, TaskNumbers())


def charges(part: CostPart) -> int:
    """The number of charges in a part."""
    return sum(spend.charges for _, _, spend in part.spend.rows())


@pytest.fixture
def platform(database: str) -> Iterator[psycopg.Connection[Any]]:
    """The platform's own connection, which books."""
    with psycopg.connect(database, autocommit=True) as connection:
        yield connection


class TestReadOnly:
    @pytest.mark.parametrize(
        "statement",
        [
            "insert into cost_ledger (id) values (1) returning id",
            "delete from cost_ledger returning id",
            "create temporary table t as select 1",
            "select nextval('numbers')",
        ],
    )
    def test_nothing_can_be_written(self, database: str, platform: psycopg.Connection[Any], statement: str) -> None:
        platform.execute("create sequence numbers")
        with source(database) as opened:
            message = refused(lambda: ask(opened, statement))

        assert "read-only transaction" in message
        assert "SQLSTATE 25006" in message

    def test_a_view_that_writes_fails_and_writes_nothing(
        self, database: str, platform: psycopg.Connection[Any]
    ) -> None:
        """Whatever an operator configures as a relation."""
        platform.execute(
            "create function book() returns setof cost_ledger language sql as "
            "'insert into cost_ledger (id) values (1) returning *'"
        )
        platform.execute("create view booking as select * from book()")
        with source(database) as opened, opened.snapshot() as transaction:
            ledger = COST.model_copy(update={"relation": "booking"})
            message = refused(lambda: read_charges(transaction, ledger))

        assert "read-only transaction" in message
        assert platform.execute("select count(*) from cost_ledger").fetchall() == [(0,)]

    def test_the_server_is_told_so(self, database: str) -> None:
        with source(database) as opened:
            ((isolation, read_only),) = ask(
                opened, "select current_setting('transaction_isolation'), current_setting('transaction_read_only')"
            )

        assert (isolation, read_only) == ("repeatable read", "on")


class TestOneSnapshot:
    def test_what_is_booked_between_two_ledgers_is_not_seen(
        self, database: str, platform: psycopg.Connection[Any]
    ) -> None:
        """All views of one refresh agree, whatever happens while it reads."""
        with source(database) as opened:
            with opened.snapshot() as transaction:
                before = read_charges(transaction, COST)
                platform.execute(CHARGE, ("codex", "q", 5))
                platform.execute("insert into quest_budget_allocations values ('q', 'Q', '2026-04-10', 10, 5)")
                allocations = budget.read_whole(transaction, BUDGET, QUESTION)
                again = read_charges(transaction, COST)
            with opened.snapshot() as transaction:
                after = read_charges(transaction, COST), budget.read_whole(transaction, BUDGET, QUESTION)

        assert (charges(before), allocations.allocations.present(), charges(again)) == (0, [], 0)
        assert (charges(after[0]), after[1].allocations.present()) == (1, [("q",)])

    def test_a_failed_question_does_not_change_the_snapshot(
        self, database: str, platform: psycopg.Connection[Any]
    ) -> None:
        with source(database) as opened, opened.snapshot() as transaction:
            transaction.rows("select 1", {})
            platform.execute(CHARGE, ("codex", "q", 5))
            with pytest.raises(SourceError), transaction.savepoint():
                transaction.rows("select 1/0", {})
            rows = charges(read_charges(transaction, COST))

        assert rows == 0

    def test_no_transaction_stays_open_between_refreshes(
        self, database: str, platform: psycopg.Connection[Any]
    ) -> None:
        """It would hold back the vacuum of the whole platform."""
        with source(database) as opened:
            ask(opened, "select 1")
            states = platform.execute(
                "select state from pg_stat_activity where application_name like 'ledger-exporter/%'"
            ).fetchall()

        assert states == [("idle",)]

    def test_instants_without_a_zone_are_utc_whatever_the_server_thinks(
        self, database: str, platform: psycopg.Connection[Any]
    ) -> None:
        """One in the morning in Auckland would be the day before."""
        platform.execute(CHARGE, ("codex", "q", 5))
        ledger = COST.model_copy(update={"columns": {"created_at": "timestamp '2026-04-10 01:00'"}})
        with source(database) as opened, opened.snapshot() as transaction:
            part = read_charges(transaction, ledger)

        assert part.spend.window(("Codex", None, "q"), "today").usd == 5


class TestTimeouts:
    def test_statement_lock_and_idle_timeouts_are_set_for_the_transaction(self, database: str) -> None:
        question = (
            "select name, setting from pg_settings where name in "
            "('statement_timeout', 'lock_timeout', 'idle_in_transaction_session_timeout')"
        )
        with source(database, timedelta(seconds=7)) as opened:
            settings = {name: int(value) for name, value in ask(opened, question)}

        assert settings == {
            "statement_timeout": pytest.approx(6300, abs=300),
            "lock_timeout": 500,
            "idle_in_transaction_session_timeout": 14000,
        }

    def test_a_locked_ledger_is_given_up_soon_and_the_others_are_read(
        self, database: str, platform: psycopg.Connection[Any]
    ) -> None:
        """A migration must not find the exporter in its queue, and its ledger is not all there is."""
        began = time.monotonic()
        with platform.transaction():
            platform.execute("lock table cost_ledger in access exclusive mode")
            snapshot = refresh_once(*ALL_LEDGERS, dsn=database)

        assert time.monotonic() - began < SOON_SECONDS
        assert up(snapshot) == {"cost": False, "impact": True, "budget": True}
        assert "lock timeout" in str(snapshot.health["cost"].error)

    def test_a_question_that_takes_too_long_is_ended(self, database: str) -> None:
        began = time.monotonic()
        with source(database, timedelta(milliseconds=300)) as opened:
            message = refused(lambda: ask(opened, "select pg_sleep(30)"))

        assert time.monotonic() - began < SOON_SECONDS
        assert "statement timeout" in message or "no answer within 0.3 s" in message

    def test_many_questions_together_are_bounded_too(self, database: str) -> None:
        """Each of them is short; the refresh is not to take all day."""
        began = time.monotonic()

        def ask_on() -> None:
            with opened.snapshot() as transaction:
                while True:
                    transaction.rows("select pg_sleep(0.05)", {})

        with source(database, timedelta(milliseconds=300)) as opened:
            message = refused(ask_on)

        assert time.monotonic() - began < SOON_SECONDS
        assert message.startswith("source main: no answer within 0.3 s")

    def test_a_refresh_says_that_it_waited_in_vain(self, database: str, platform: psycopg.Connection[Any]) -> None:
        """Not that the server closed the connection: it was the exporter that gave up."""
        platform.execute("create view slow as select cost_ledger.* from pg_sleep(30), cost_ledger")
        snapshot = refresh_once("cost: {source: main, relation: slow}", *ALL_LEDGERS[1:], dsn=database, timeout="300ms")

        assert up(snapshot)["cost"] is False
        assert re.search("statement timeout|no answer within 0.3 s", str(snapshot.health["cost"].error))

    def test_a_server_that_accepts_and_says_nothing_is_given_up(self) -> None:
        with socket.create_server(("127.0.0.1", 0)) as silent:
            began = time.monotonic()
            with source(f"host=127.0.0.1 port={silent.getsockname()[1]} sslmode=disable connect_timeout=2") as opened:
                message = refused(lambda: ask(opened, "select 1"))

        assert time.monotonic() - began < SOON_SECONDS
        assert message.startswith("source main: ")

    def test_a_refused_connection_is_told_at_once(self) -> None:
        with socket.create_server(("127.0.0.1", 0)) as taken:
            port = taken.getsockname()[1]
        began = time.monotonic()
        with source(f"host=127.0.0.1 port={port} user=me dbname=d") as opened:
            message = refused(lambda: ask(opened, "select 1"))

        assert time.monotonic() - began < SOON_SECONDS
        assert "refused" in message

    def test_after_a_timeout_the_next_refresh_reads_again(self, database: str) -> None:
        with source(database, timedelta(milliseconds=300)) as opened:
            refused(lambda: ask(opened, "select pg_sleep(30)"))
            opened._timeout = PLENTY  # noqa: SLF001 - to connect on a slow machine is not what this is about

            assert ask(opened, "select 1") == [(1,)]


class Reader(threading.Thread):
    """Asks a question that blocks, in a thread of its own; `error` is what came of it."""

    def __init__(self, opened: Source) -> None:
        super().__init__(daemon=True)
        self.opened = opened
        self.error: BaseException | None = None

    def run(self) -> None:
        try:
            ask(self.opened, "select pg_sleep(30)")
        except BaseException as error:  # noqa: BLE001 - told to the test
            self.error = error


def until_asked(platform: psycopg.Connection[Any]) -> None:
    """Return when the exporter's question runs in the database."""
    running = "select 1 from pg_stat_activity where query like 'select pg_sleep(30)%' and state = 'active'"
    deadline = time.monotonic() + DEADLINE
    while not platform.execute(running).fetchall():
        assert time.monotonic() < deadline, "the question does not run"


class TestEnding:
    def test_an_interrupt_ends_a_blocked_question_at_once(
        self, database: str, platform: psycopg.Connection[Any]
    ) -> None:
        with source(database) as opened:
            reader = Reader(opened)
            reader.start()
            until_asked(platform)
            began = time.monotonic()
            opened.interrupt()
            reader.join(DEADLINE)

            assert time.monotonic() - began < SOON_SECONDS
            assert isinstance(reader.error, SourceError)
            assert ask(opened, "select 1") == [(1,)]

    def test_the_end_of_the_program_is_not_an_outage(self, database: str, platform: psycopg.Connection[Any]) -> None:
        with source(database) as opened:
            reader = Reader(opened)
            reader.start()
            until_asked(platform)
            opened.stop()
            reader.join(DEADLINE)

        assert isinstance(reader.error, Stopped)

    def test_what_begins_after_the_end_of_the_program_ends_at_once(self, database: str) -> None:
        """A pass that had just begun must not read all the ledgers first."""
        with source(database) as opened:
            opened.stop()
            with pytest.raises(Stopped):
                ask(opened, "select 1")

    def test_a_source_that_is_not_connected_can_be_interrupted(self, database: str) -> None:
        with source(database) as opened:
            opened.interrupt()

            assert ask(opened, "select 1") == [(1,)]


class TestLoss:
    def test_a_lost_connection_is_made_anew(self, database: str, platform: psycopg.Connection[Any]) -> None:
        """Servers and poolers end idle connections: between refreshes that is no outage."""
        with source(database) as opened:
            ((pid,),) = ask(opened, "select pg_backend_pid()")
            platform.execute("select pg_terminate_backend(%s, 5000)", (pid,))
            ((new_pid,),) = ask(opened, "select pg_backend_pid()")

        assert new_pid != pid

    def test_a_connection_lost_in_the_middle_is_made_anew(
        self, database: str, platform: psycopg.Connection[Any]
    ) -> None:
        def lose() -> None:
            with opened.snapshot() as transaction:
                ((pid,),) = transaction.rows("select pg_backend_pid()", {})
                platform.execute("select pg_terminate_backend(%s, 5000)", (pid,))
                transaction.rows("select 1", {})

        with source(database) as opened:
            refused(lose)

            assert ask(opened, "select 1") == [(1,)]

    def test_one_connection_serves_all_refreshes(self, database: str) -> None:
        with source(database) as opened:
            pids = {ask(opened, "select pg_backend_pid()")[0] for _ in range(3)}

        assert len(pids) == 1


class TestIsolation:
    """What is wrong with one ledger costs that ledger, and no other."""

    def test_a_missing_table(self, database: str, platform: psycopg.Connection[Any]) -> None:
        platform.execute("drop table cost_ledger")
        snapshot = refresh_once(*ALL_LEDGERS, dsn=database)

        assert up(snapshot) == {"cost": False, "impact": True, "budget": True}
        assert snapshot.health["cost"].error == (
            'source main: relation "cost_ledger" does not exist; SQLSTATE 42P01'
        )  # fmt: skip
        assert (snapshot.cost, snapshot.impact is None, snapshot.budget is None) == (None, False, False)

    def test_a_missing_column(self, database: str, platform: psycopg.Connection[Any]) -> None:
        platform.execute("alter table impact_ledger drop column layer")
        snapshot = refresh_once(*ALL_LEDGERS, dsn=database)

        assert up(snapshot) == {"cost": True, "impact": False, "budget": True}
        assert 'column "layer" does not exist' in str(snapshot.health["impact"].error)

    def test_a_missing_privilege(self, database: str, platform: psycopg.Connection[Any]) -> None:
        platform.execute("drop role if exists reader")
        platform.execute("create role reader login")
        platform.execute("grant select on cost_ledger, impact_ledger to reader")
        snapshot = refresh_once(*ALL_LEDGERS, dsn=database.replace("user=postgres", "user=reader"))
        platform.execute("drop owned by reader")
        platform.execute("drop role reader")

        assert up(snapshot) == {"cost": True, "impact": True, "budget": False}
        assert "permission denied" in str(snapshot.health["budget"].error)

    def test_a_value_that_is_none(self, database: str, platform: psycopg.Connection[Any]) -> None:
        """Text where a number should be: only that ledger fails, however late in its rows."""
        platform.execute("alter table quest_budget_allocations alter column allocated_usd type text")
        platform.execute("insert into quest_budget_allocations values ('q', 'Q', '2026-04-10', 'much', null)")
        snapshot = refresh_once(*ALL_LEDGERS, dsn=database)

        assert up(snapshot) == {"cost": True, "impact": True, "budget": False}

    def test_a_database_that_is_gone_costs_all_its_ledgers(self) -> None:
        snapshot = refresh_once(*ALL_LEDGERS, dsn="host=/nonexistent dbname=d user=me")

        assert up(snapshot) == {"cost": False, "impact": False, "budget": False}


class TestIdentity:
    def test_the_exporter_gives_its_name(self, database: str, platform: psycopg.Connection[Any]) -> None:
        with source(database) as opened:
            ask(opened, "select 1")
            names = platform.execute("select application_name from pg_stat_activity").fetchall()

        assert (f"ledger-exporter/{__version__}",) in names

    def test_unless_the_operator_gives_it_another(self, database: str) -> None:
        with source(f"{database} application_name=mine") as opened:
            assert ask(opened, "select current_setting('application_name')") == [("mine",)]


class TestOddDatabases:
    @pytest.fixture
    def ascii_database(self, server: postgres.Server) -> Iterator[str]:
        """A database that takes any bytes for text."""
        name = server.create_database()
        with psycopg.connect(server.dsn(), autocommit=True) as connection:
            connection.execute(sql.SQL("drop database {}").format(sql.Identifier(name)))
            connection.execute(
                sql.SQL(
                    "create database {} template template0 encoding 'SQL_ASCII' locale_provider libc locale 'C'"
                ).format(sql.Identifier(name))
            )
        yield server.dsn(name)
        server.drop_database(name)

    def test_text_that_is_not_utf8_is_replaced_not_fatal(self, ascii_database: str) -> None:
        with psycopg.connect(ascii_database, autocommit=True, client_encoding="SQL_ASCII") as platform:
            platform.execute(
                b"create table cost_ledger (id bigint, created_at timestamptz, provider text, model text, task_id text, "
                b"quest_id varchar(20), tokens_in bigint, tokens_out bigint, cost_usd numeric)"
            )
            platform.execute(
                b"insert into cost_ledger values (1, '2026-04-10 11:00Z', 'codex', 'caf\xe9', 't\xff', 'q\xfe', 1, 2, 5)"
            )
        with source(ascii_database) as opened, opened.snapshot() as transaction:
            part = read_charges(transaction, COST)

        ((key, _, spend),) = part.spend.rows()
        assert key == ("Codex", "caf\N{REPLACEMENT CHARACTER}", "q\N{REPLACEMENT CHARACTER}")
        assert spend.usd == 5

    def test_expressions_may_hold_percent_signs_and_braces(
        self, database: str, platform: psycopg.Connection[Any]
    ) -> None:
        platform.execute(CHARGE, ("codex", "100% {q}", Decimal("7.5")))
        columns = {
            "cost_usd": "(cost_usd * 100)::int % 100",
            "model": "case when quest_id like '100%' then '{m}%s' end",
        }
        ledger = COST.model_copy(update={"columns": columns})
        with source(database) as opened, opened.snapshot() as transaction:
            part = read_charges(transaction, ledger)

        ((key, _, spend),) = part.spend.rows()
        assert key == ("Codex", "{m}%s", "100% {q}")
        assert spend.usd == 50

    @pytest.mark.parametrize(
        ("kind", "booked", "usd"),
        [
            ("numeric", "0.1", "0.1"),
            ("numeric(9, 4)", "12345.67", "12345.67"),
            ("real", "12345.67", "12345.67"),
            ("double precision", "0.1", "0.1"),
            ("double precision", "1234567.8901234567", "1234567.8901234567"),
            ("money", "$1,234.50", "1234.5"),
            ("bigint", "7", "7"),
            ("text", " 1.50 ", "1.5"),
            ("jsonb", "1.25", "1.25"),
        ],
    )
    def test_amounts_of_any_type_are_exact(
        self, database: str, platform: psycopg.Connection[Any], kind: str, booked: str, usd: str
    ) -> None:
        """As rows and added up by the database: a floating-point number is its shortest text, and nothing is rounded."""
        platform.execute(f"alter table cost_ledger alter cost_usd type {kind} using null")
        platform.execute(
            f"insert into cost_ledger (id, created_at, provider, cost_usd) values (1, %s, 'codex', %s::{kind})",
            [NOON, booked],
        )
        with source(database) as opened, opened.snapshot() as transaction:
            whole = read_charges(transaction, COST)
            made = cost.Cost(COST, ANY, TaskNumbers())
            able = transaction.hold(probe(made, QUESTION))
            where = Span(BEGINNING, END)
            (rows,) = transaction.hold(query.ask(made.all_rows_of(where, QUESTION, able)))
            sums = made.sums(rows, where, QUESTION)

        assert [spend.usd for _, _, spend in whole.spend.rows()] == [Decimal(usd)]
        assert [spend.usd for _, _, spend in sums.spend] == [Decimal(usd)]

    def test_a_relation_may_have_any_name(self, database: str, platform: psycopg.Connection[Any]) -> None:
        platform.execute(CHARGE, ("codex", "q", 5))
        platform.execute('create schema "odd %s"')
        platform.execute('alter table cost_ledger set schema "odd %s"')
        platform.execute('alter table "odd %s".cost_ledger rename to "Cost {0} ""Ledger"""')
        with source(database) as opened, opened.snapshot() as transaction:
            ledger = COST.model_copy(update={"relation": '"odd %s"."Cost {0} ""Ledger"""'})
            rows = charges(read_charges(transaction, ledger))

        assert rows == 1


class TestSecrets:
    @pytest.fixture
    def guarded(self, server: postgres.Server, database: str, platform: psycopg.Connection[Any]) -> Iterator[str]:
        """The database as a role whose password is `right`, and asked for."""
        rules = server.directory / "data" / "pg_hba.conf"
        before = rules.read_text()
        platform.execute("create role guarded login password 'right'")
        rules.write_text(f"local all guarded scram-sha-256\n{before}")
        platform.execute("select pg_reload_conf()")
        dsn = database.replace("user=postgres", "user=guarded")
        deadline = time.monotonic() + DEADLINE
        with contextlib.suppress(psycopg.OperationalError):
            while time.monotonic() < deadline:  # until the server has read its rules
                psycopg.connect(dsn, password="wrong").close()  # noqa: S106
        yield dsn
        rules.write_text(before)
        platform.execute("select pg_reload_conf()")
        platform.execute("drop role guarded")

    def test_a_password_from_outside_has_precedence(self, guarded: str) -> None:
        with source(f"{guarded} password=wrong", password="right") as opened:  # noqa: S106
            assert ask(opened, "select 1") == [(1,)]

    def test_a_wrong_password_is_told_and_not_shown(self, guarded: str) -> None:
        with source(guarded, password="s3cret") as opened:  # noqa: S106
            message = refused(lambda: ask(opened, "select 1"))

        assert 'password authentication failed for user "guarded"' in message
        assert "s3cret" not in message

    @pytest.mark.parametrize(
        "dsn",
        [
            "host=/nonexistent user=me password=s3cret dbname=d",
            "postgresql://me:s3cret@127.0.0.1:1/d",
            "postgresql://me:s3cret@nowhere.invalid/d",
            "postgresql://me:s3cret@127.0.0.1:1/d?sslrootcert=/nonexistent&sslmode=verify-full",
        ],
    )
    def test_no_error_of_a_connection_shows_the_password(self, dsn: str) -> None:
        with source(dsn) as opened:
            assert "s3cret" not in refused(lambda: ask(opened, "select 1"))

    def test_no_error_of_a_login_shows_the_password(self, database: str) -> None:
        dsn = database.replace("user=postgres", "user=nobody_known") + " password=s3cret"
        with source(dsn, password="s3cret2") as opened:  # noqa: S106
            message = refused(lambda: ask(opened, "select 1"))

        assert "nobody_known" in message
        assert "s3cret" not in message

    @pytest.mark.parametrize(
        "dsn", ["pasword=s3cret", "postgresql://me:s3cret@h/d?pasword=s3cret", "host=h password='s3cret"]
    )
    def test_no_error_of_a_connection_string_shows_the_password(self, dsn: str) -> None:
        message = refused(lambda: Source("main", SecretStr(dsn), None, PLENTY))

        assert "source main" in message
        assert "s3cret" not in message

    def test_no_error_of_a_question_shows_the_password(self, database: str) -> None:
        with source(f"{database} password=s3cret") as opened:
            assert "s3cret" not in refused(lambda: ask(opened, "select broken"))
