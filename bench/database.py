"""The PostgreSQL server of the benchmark, its roles, and ledgers of any size in it."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

import psycopg
from psycopg import ClientCursor, sql
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from bench.errors import BenchError
from bench.questions import script
from bench.statements import LOG_LINE_PREFIX, ServerLog
from exporter.demo import history, postgres
from exporter.demo.stage import Program, Stage

DAY_SECONDS = 86_400
CHARGES_PER_TASK = 8
SETTINGS = {
    "shared_buffers": "1GB",
    "effective_cache_size": "4GB",
    "work_mem": "16MB",
    "maintenance_work_mem": "256MB",
    "max_wal_size": "8GB",
    "autovacuum": "off",  # ledgers are vacuumed once they are filled; nothing else may happen while others measure
    "log_line_prefix": LOG_LINE_PREFIX,
    "log_min_error_statement": "panic",
    "log_checkpoints": "off",
}
"""What differs from the server of the demo (fsync off, timezone UTC, locale C)."""


STOP_SECONDS = 300
"""A server may write for so long before it ends. Cut off, it would empty its unlogged tables at the next start."""


class _Tuned(Stage):
    """A stage on which PostgreSQL starts with the benchmark's settings; of two values for one setting the later counts."""

    _again: Callable[[str], Program]
    _starts = 0

    def start(self, name: str, command: Sequence[str | Path], **options: Any) -> Program:  # noqa: ANN401
        settings = [f"-c{setting}={value}" for setting, value in SETTINGS.items()] if name == "postgres" else []
        program = super().start(name, [*command, *settings], **options)
        if name == "postgres":
            self._again = lambda another_name: Stage.start(self, another_name, [*command, *settings], **options)
        return program

    def start_again(self, between: Callable[[], None]) -> Program:
        """Stop PostgreSQL, do something, and start it again, with another file as its log."""
        server = self.programs.pop()
        server.process.send_signal(signal.SIGINT)
        server.process.wait(STOP_SECONDS)
        between()
        self._starts += 1
        return self._again(f"postgres-{self._starts}")


@dataclass(frozen=True)
class Ledgers:
    """A database with filled ledgers; the last row was booked when it was filled."""

    dsn: str
    rows: int
    rate: int
    quests: int
    fill_seconds: float

    def dsn_as(self, role: str) -> str:
        """The connection string of a role."""
        return make_conninfo(self.dsn, user=role)

    def url_as(self, role: str, scheme: str) -> str:
        """The same as a URL, for programs that want one."""
        options = conninfo_to_dict(self.dsn)
        return f"{scheme}://{role}@/{options['dbname']}?host={quote(str(options['host']), safe='')}"


class Server:
    """A running PostgreSQL."""

    def __init__(self, dsn: str, stage: _Tuned) -> None:
        """`dsn` is a superuser's. The server is what was started last on the stage."""
        self._dsn = dsn
        self._stage = stage
        self.log = ServerLog(stage.programs[-1].log)
        self._databases = 0

    def version(self) -> str:
        """The server's version."""
        with psycopg.connect(self._dsn) as connection:
            return str(connection.execute("show server_version").fetchall()[0][0])

    def create_role(self, role: str) -> None:
        """Create a role that may read everything, and whose every statement is logged with its duration."""
        with psycopg.connect(self._dsn, autocommit=True) as connection:
            for statement in (
                "create role {role} login in role pg_read_all_data",
                "alter role {role} set log_duration = on",
                "alter role {role} set log_temp_files = 0",
            ):
                connection.execute(sql.SQL(statement).format(role=sql.Identifier(role)))

    @contextmanager
    def logging_statements(self, role: str) -> Iterator[None]:
        """Log each statement of connections that a role opens while the context lasts."""
        name = sql.Identifier(role)
        with psycopg.connect(self._dsn, autocommit=True) as connection:
            connection.execute(sql.SQL("alter role {} set log_statement = 'all'").format(name))
            try:
                yield
            finally:
                connection.execute(sql.SQL("alter role {} reset log_statement").format(name))

    def restart(self, between: Callable[[], None]) -> None:
        """Stop the server, do something, start it again, and wait until it answers.

        Raises:
            BenchError: it did not start.
        """
        with psycopg.connect(self._dsn, autocommit=True) as connection:
            connection.execute("checkpoint")
        program = self._stage.start_again(between)
        self.log.continue_in(program.log)
        deadline = time.monotonic() + postgres.START_SECONDS
        while time.monotonic() < deadline and not program.ended:
            try:
                psycopg.connect(self._dsn).close()
            except psycopg.OperationalError:
                time.sleep(postgres.POLL_SECONDS)
            else:
                return
        raise BenchError(f"PostgreSQL did not start again:\n{program.last_words()}")

    @contextmanager
    def database(self) -> Iterator[str]:
        """An empty database: the connection string of a superuser."""
        self._databases += 1
        name = f"bench_{self._databases}"
        with psycopg.connect(self._dsn, autocommit=True) as connection:
            connection.execute(sql.SQL("create database {}").format(sql.Identifier(name)))
        try:
            yield make_conninfo(self._dsn, dbname=name)
        finally:
            with psycopg.connect(self._dsn, autocommit=True) as connection:
                connection.execute(sql.SQL("drop database {} with (force)").format(sql.Identifier(name)))

    @contextmanager
    def ledgers(self, rows: int, rate: int, quests: int) -> Iterator[Ledgers]:
        """A database whose cost ledger has so many rows, booked at `rate` rows a day until now; an eighth as many outcomes."""
        with self.database() as dsn:
            began = time.monotonic()
            fill(dsn, rows, rate, quests)
            yield Ledgers(dsn, rows, rate, quests, time.monotonic() - began)


@contextmanager
def serve() -> Iterator[Server]:
    """A PostgreSQL server in a temporary folder, reached over a Unix socket."""
    with _Tuned() as stage:
        dsn = postgres.start(stage)
        yield Server(dsn, stage)


def fill(dsn: str, rows: int, rate: int, quests: int) -> None:
    """Create the reference schema and fill it: indexes last, then vacuum, so that nobody has to wait for either."""
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute(history.script("schema.sql").encode())
        _prepare_for_load(connection)
        book(connection, 0, rows, rate, quests)
        days = max(31, rows // rate + 1)
        at = {"now": datetime.now(UTC), "days": days, "quests": quests}
        ClientCursor(connection).execute(script("allocations").encode(), at)
        connection.execute(history.script("schema.sql").encode())
    vacuum(dsn)


def rewrite_tail(dsn: str, charges: int) -> None:
    """Update the newest charges without changing them: new versions that no vacuum has seen, and as many dead rows."""
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute(
            "update cost_ledger set tokens_in = tokens_in"
            " where created_at >= (select created_at from cost_ledger order by created_at desc offset %s limit 1)",
            [charges - 1],
        )


def vacuum(dsn: str) -> None:
    """Vacuum and analyse the ledgers, as after the fill."""
    with psycopg.connect(dsn, autocommit=True) as connection:
        for ledger in ("cost_ledger", "impact_ledger", "quest_budget_allocations"):
            connection.execute(sql.SQL("vacuum (analyze) {}").format(sql.Identifier(ledger)))
        connection.execute("checkpoint")


def shuffle(dsn: str) -> None:
    """Replace charges and outcomes by copies whose rows lie in random order, with the same indexes."""
    with psycopg.connect(dsn, autocommit=True) as connection:
        for ledger in ("cost_ledger", "impact_ledger"):
            copy, original = sql.Identifier(f"{ledger}_shuffled"), sql.Identifier(ledger)
            for statement in (
                "create unlogged table {copy} (like {original} including defaults including constraints)",
                "insert into {copy} select * from {original} order by random()",
                "drop table {original}",
                "alter table {copy} rename to {original}",
                "alter table {original} add primary key (id)",
                "alter table {original} alter column id add generated by default as identity",
            ):
                connection.execute(sql.SQL(statement).format(copy=copy, original=original))
            connection.execute(
                sql.SQL("select setval(pg_get_serial_sequence(%s, 'id'), max(id)) from {original}").format(
                    original=original
                ),
                [ledger],
            )
        connection.execute(history.script("schema.sql").encode())
    vacuum(dsn)


def _prepare_for_load(connection: psycopg.Connection[Any]) -> None:
    """Leave out of the load what only costs time: the log of changes, and the indexes that are made at its end."""
    for ledger in ("cost_ledger", "impact_ledger", "quest_budget_allocations"):
        connection.execute(sql.SQL("alter table {} set unlogged").format(sql.Identifier(ledger)))
    indexes = connection.execute(
        "select indexrelid::regclass::text from pg_index join pg_class on oid = indexrelid"
        " where relnamespace = 'public'::regnamespace and not indisprimary"
    ).fetchall()
    for (index,) in indexes:
        connection.execute(f"drop index {index}".encode())


def book(connection: psycopg.Connection[Any], first: int, charges: int, rate: int, quests: int) -> None:
    """Book charges from number `first` on, the last of them now, and the outcomes of the tasks that end with them."""
    now = datetime.now(UTC)
    spacing = DAY_SECONDS / rate
    cursor = ClientCursor(connection)
    at = {"until": now, "now": now, "quests": quests}
    if charges > 0:
        span = {"first": first, "last": first + charges - 1, "spacing_seconds": spacing}
        cursor.execute(script("charges").encode(), at | span)
    first_task, end_task = first // CHARGES_PER_TASK, (first + charges) // CHARGES_PER_TASK
    if end_task > first_task:
        span = {"first": first_task, "last": end_task - 1, "spacing_seconds": spacing * CHARGES_PER_TASK}
        cursor.execute(script("outcomes").encode(), at | span)
        if first:
            cursor.execute(script("score").encode(), {"outcomes": end_task - first_task})
