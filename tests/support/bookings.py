"""A platform that books as real ones do: with keys and indexes, in transactions that stay open, from cached sequences."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self

import psycopg
from psycopg import sql

import exporter.demo

SCHEMA = Path(exporter.demo.__file__).with_name("schema.sql")
RELATIONS = {"cost": "cost_ledger", "impact": "impact_ledger", "budget": "quest_budget_allocations"}
COLUMNS = {
    "cost": ("created_at", "provider", "model", "task_id", "quest_id", "tokens_in", "tokens_out", "cost_usd"),
    "impact": (
        "created_at", "updated_at", "task_id", "title", "quest_id", "layer", "total_tokens", "cost_usd", "impact_score",
    ),
    "budget": ("quest_id", "quest_name", "day", "allocated_usd", "spent_usd"),
}  # fmt: skip
INSTANTS = {"cost": "created_at", "impact": "created_at", "budget": "day"}

Row = Sequence[object]
Kind = Literal["tables", "text ids", "views"]
"""Tables with ids that count up, tables whose ids are random texts, or views of tables, each with the suffix `_view`."""
VIEWS = {ledger: f"{relation}_view" for ledger, relation in RELATIONS.items()}


class Books:
    """The three ledgers of a database, in the reference schema, and the sessions that book in them."""

    def __init__(self, dsn: str, *, cache: int = 1, kind: Kind = "tables") -> None:
        """Make the ledgers anew, empty. `cache` is how many ids a session takes from a sequence at once."""
        self.dsn = dsn
        self._kind = kind
        self._main = psycopg.connect(dsn, autocommit=True)
        self._sessions: dict[int, psycopg.Connection[Any]] = {}
        for relation in RELATIONS.values():
            self._main.execute(sql.SQL("drop table if exists {} cascade").format(sql.Identifier(relation)))
        self._main.execute(SCHEMA.read_text())
        for ledger in ("cost", "impact"):
            self._run("alter table {relation} alter column id set cache {cache}", ledger, cache=sql.Literal(cache))
            self._run("alter table {relation} add column note text", ledger)
            if kind == "text ids":
                self._run("alter table {relation} alter column id drop identity", ledger)
                self._run("alter table {relation} alter column id type text", ledger)
                self._run("alter table {relation} alter column id set default gen_random_uuid()", ledger)
        if kind == "views":
            for ledger, view in VIEWS.items():
                self._run("create view {view} as select * from {relation}", ledger, view=sql.Identifier(view))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Roll back what is open, and leave."""
        for connection in (*self._sessions.values(), self._main):
            connection.close()
        self._sessions = {}

    def run(self, statement: str, parameters: Sequence[object] = ()) -> list[tuple[Any, ...]]:
        """Run any statement, and return its rows."""
        cursor = self._main.execute(statement, parameters)  # type: ignore[call-overload]
        return cursor.fetchall() if cursor.description else []

    def _run(self, statement: str, ledger: str, **parts: sql.Composable) -> list[tuple[Any, ...]]:
        composed = sql.SQL(statement).format(relation=sql.Identifier(RELATIONS[ledger]), **parts)
        cursor = self._main.execute(composed)
        return cursor.fetchall() if cursor.description else []

    def book(self, ledger: str, rows: Iterable[Row], session: int | None = None) -> None:
        """Book rows: at once, or in the open transaction of a session."""
        connection = self._main if session is None else self.session(session)
        write(connection, ledger, rows)

    def session(self, number: int) -> psycopg.Connection[Any]:
        """Return the connection of a session, which books in transactions."""
        if number not in self._sessions:
            self._sessions[number] = psycopg.connect(self.dsn)
        return self._sessions[number]

    def open_sessions(self) -> list[int]:
        """Return the sessions with an open transaction."""
        idle = psycopg.pq.TransactionStatus.IDLE
        return [number for number, one in self._sessions.items() if one.info.transaction_status != idle]

    def ids(self, ledger: str) -> list[str]:
        """Return what tells the rows of a ledger, in order."""
        order = "id" if ledger != "budget" else "day, quest_id"
        return [place for (place,) in self._run(f"select ctid::text from {{relation}} order by {order}", ledger)]

    def change(self, ledger: str, place: int, **values: object) -> None:
        """Give the columns of one row other values; the row is told by its place, modulo how many there are."""
        ids = self.ids(ledger)
        if ids:
            changes = sql.SQL(", ").join(
                sql.SQL("{} = {}").format(sql.Identifier(name), sql.Literal(value)) for name, value in values.items()
            )
            at = sql.Literal(ids[place % len(ids)])
            self._run("update {relation} set {changes} where ctid = {at}::tid", ledger, changes=changes, at=at)

    def delete(self, ledger: str, place: int) -> None:
        """Delete one row."""
        ids = self.ids(ledger)
        if ids:
            at = sql.Literal(ids[place % len(ids)])
            self._run("delete from {relation} where ctid = {at}::tid", ledger, at=at)

    def prune(self, ledger: str, before: datetime) -> None:
        """Delete all rows before an instant."""
        column = sql.Identifier(INSTANTS[ledger])
        self._run("delete from {relation} where {column} < {before}", ledger, column=column, before=sql.Literal(before))

    def truncate(self, ledger: str) -> None:
        """Empty a ledger; its ids begin at 1 again."""
        self._run("truncate {relation} restart identity", ledger)

    def save(self) -> None:
        """Keep a copy of all ledgers."""
        for ledger, relation in RELATIONS.items():
            kept = sql.Identifier(f"{relation}_kept")
            self._run("drop table if exists {kept}", ledger, kept=kept)
            self._run("create table {kept} as select * from {relation}", ledger, kept=kept)

    def restore(self) -> None:
        """Go back to the copy: rows, ids and sequences are as they were."""
        for ledger, relation in RELATIONS.items():
            kept = sql.Identifier(f"{relation}_kept")
            self._run("truncate {relation}", ledger)
            self._run("insert into {relation} select * from {kept}", ledger, kept=kept)
            if ledger != "budget" and self._kind != "text ids":
                self._run(
                    "select setval(pg_get_serial_sequence({name}, 'id'), coalesce(max(id), 0) + 1, false) from {relation}",
                    ledger,
                    name=sql.Literal(relation),
                )

    def disconnect(self, application: str) -> None:
        """End the connections of a program."""
        self.run(
            "select pg_terminate_backend(pid, 5000) from pg_stat_activity"
            " where application_name like %s and datname = current_database()",
            [application],
        )


def write(connection: psycopg.Connection[Any], ledger: str, rows: Iterable[Row]) -> None:
    """Book rows, their ids given by the database."""
    columns = COLUMNS[ledger]
    statement = sql.SQL("insert into {} ({}) values ({})").format(
        sql.Identifier(RELATIONS[ledger]),
        sql.SQL(", ").join(map(sql.Identifier, columns)),
        sql.SQL(", ").join([sql.Placeholder()] * len(columns)),
    )
    if ledger == "budget":
        statement += sql.SQL(" on conflict (quest_id, day) do update set allocated_usd = excluded.allocated_usd")
    connection.cursor().executemany(statement, rows)
