"""A database: one kept connection, read-only snapshot transactions on it, and the driver's errors in the program's terms."""

from __future__ import annotations

import contextlib
import itertools
import logging
import os
import socket
import threading
from collections.abc import Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache, cached_property
from importlib import resources
from time import monotonic
from typing import Any, TypeVar

import psycopg
from psycopg.conninfo import conninfo_to_dict
from psycopg.types.string import TextLoader
from pydantic import SecretStr

from exporter import __version__
from exporter.errors import SourceError, Stopped
from exporter.parts import RECENT_DAYS, day_of

# The driver warns of what follows from an error it raises as well.
logging.getLogger("psycopg").setLevel(logging.ERROR)

APPLICATION_NAME = f"ledger-exporter/{__version__}"

# A dead peer is noticed by the kernel well before the default two hours; what the operator's string says has precedence.
_CONNECTION_DEFAULTS = {
    "application_name": APPLICATION_NAME,
    "keepalives_idle": "10",
    "keepalives_interval": "5",
    "keepalives_count": "3",
}
_numbers = itertools.count(1)
_MAX_CONNECT_SECONDS = 5
_MAX_LOCK_MILLISECONDS = 2000
_MILLISECONDS = 1000
# The server gives up a little before the source is cut off: its error costs one ledger, the cut all of them.
_TIME_FOR_AN_ERROR = 0.9
_MAX_MESSAGE = 500


class _LenientTextLoader(TextLoader):
    """Reads text that is not UTF-8 (a database in SQL_ASCII holds anything) rather than fail a refresh over a label."""

    def load(self, data: Any) -> str:  # noqa: ANN401 - the driver's buffer type
        return bytes(data).decode("utf-8", "replace")


@dataclass(frozen=True)
class Question:
    """The parameters every question may use: the instant of the refresh, and the days it makes."""

    now: datetime
    grace: timedelta = timedelta(0)

    @cached_property
    def today(self) -> int:
        """Return the UTC day of the refresh."""
        return day_of(self.now)

    @cached_property
    def yesterday(self) -> int:
        """Return the day before."""
        return self.today - 1

    @cached_property
    def parameters(self) -> dict[str, object]:
        """Return the parameters by the names the SQL uses."""
        midnight = self.now.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
        return {
            "now": self.now,
            "today": self.today,
            "oldest": self.today - RECENT_DAYS,
            "yesterday_start": midnight - timedelta(days=1),
            "tomorrow_start": midnight + timedelta(days=1),
            "settled_before": self.now - self.grace,
        }


@cache
def sql_file(name: str) -> str:
    """Return the text of a file in `sql/`, given as `cost/spend`."""
    return resources.files("exporter.ledgers").joinpath(f"sql/{name}.sql").read_text(encoding="utf-8")


@cache
def _compose(name: str, rows: str, relation: str, expressions: tuple[tuple[str, str], ...], span: str) -> str:
    escaped = {column: expression.replace("%", "%%") for column, expression in expressions}
    mapped = sql_file(rows).format(relation=relation.replace("%", "%%"), span=span, **escaped)
    return sql_file(name).format(rows=mapped)


def compose(name: str, rows: str, relation: str, expressions: Mapping[str, str], span: str = "true") -> str:
    """Return a question over the rows of a ledger as the configuration maps them, or those that meet a condition."""
    return _compose(name, rows, relation, tuple(expressions.items()), span)


@dataclass(frozen=True)
class Query:
    """A statement and its parameters."""

    text: str
    parameters: Mapping[str, object]


T = TypeVar("T")
Result = list[tuple[Any, ...]]
Dialogue = Generator[list[Query], list[Result], T]
"""Asks queries in batches, is sent their results, and returns what it makes of them: who reads decides how they are asked."""


def together(dialogues: Sequence[Dialogue[T]]) -> Dialogue[list[T]]:
    """Hold dialogues side by side: what they ask at the same step is one batch."""
    found: dict[int, T] = {}
    asked: dict[int, list[Query]] = {}
    for position, dialogue in enumerate(dialogues):
        try:
            asked[position] = next(dialogue)
        except StopIteration as done:
            found[position] = done.value
    while asked:
        results = yield [query for queries in asked.values() for query in queries]
        step, asked = asked, {}
        for position, queries in step.items():
            answers, results = results[: len(queries)], results[len(queries) :]
            try:
                asked[position] = dialogues[position].send(answers)
            except StopIteration as done:
                found[position] = done.value
    return [found[position] for position in range(len(dialogues))]


class Transaction:
    """A running read-only transaction: all it reads is of one snapshot."""

    def __init__(
        self, connection: psycopg.Connection[tuple[Any, ...]], deadline: float, number: int, *, watched: bool = True
    ) -> None:
        """`deadline` is when the source will be cut off, by the monotonic clock; `number` is another for every connection.

        `watched` tells whether the server can say that a relation was rewritten.
        """
        self._connection = connection
        self._deadline = deadline
        self._rewritten = Query(sql_file("ranges/rewritten") if watched else "select false", {})
        self.number = number

    def rows(self, query: str, parameters: Mapping[str, object]) -> list[tuple[Any, ...]]:
        """Return all rows a query gives.

        Raises:
            SourceError: the database refused or the connection broke.
        """
        with _translated():
            return self._connection.execute(query.encode(), parameters).fetchall()

    def hold(self, dialogue: Dialogue[T]) -> T:
        """Ask what a dialogue asks, each batch in one round trip, and return what it returns.

        Raises:
            SourceError: the database refused or the connection broke, or a relation was rewritten under the snapshot.
        """
        try:
            queries = next(dialogue)
            *results, rewritten = self._ask([*queries, self._rewritten])
            self._refuse(rewritten)
            while True:
                results = self._ask(dialogue.send(results))
        except StopIteration as done:
            return done.value  # type: ignore[no-any-return]

    def refuse_rewritten(self) -> None:
        """Refuse what was read so far if a relation was rewritten after the snapshot was taken.

        Raises:
            SourceError: one was.
        """
        self._refuse(self._ask([self._rewritten])[0])

    @staticmethod
    def _refuse(rewritten: Result) -> None:
        # PostgreSQL shows a table that was rewritten (ALTER TABLE ... TYPE, TRUNCATE) as empty to snapshots of before.
        if rewritten[0][0]:
            raise SourceError(
                "a relation was rewritten while a refresh waited for it; it is read again at the next one"
            )

    def _ask(self, queries: Sequence[Query]) -> list[Result]:
        with _translated():
            if len(queries) == 1:
                return [self._connection.execute(queries[0].text.encode(), queries[0].parameters).fetchall()]
            with self._connection.pipeline():
                cursors = [self._connection.execute(query.text.encode(), query.parameters) for query in queries]
                return [cursor.fetchall() for cursor in cursors]

    @contextlib.contextmanager
    def savepoint(self, share: float = 1) -> Iterator[None]:
        """Confine a failure: what is read after it is still of the same snapshot.

        A query within may take that share of the time left, so that a slow one leaves some to those who come after.
        """
        with _translated(), self._connection.transaction():
            milliseconds = max(1, int((self._deadline - monotonic()) * share * _TIME_FOR_AN_ERROR * _MILLISECONDS))
            self._connection.execute("select set_config('statement_timeout', %s, true)", (str(milliseconds),))
            yield


class Source:
    """One database. It connects when first asked, keeps the connection, and drops it after a failure."""

    def __init__(self, name: str, conninfo: SecretStr, password: SecretStr | None, timeout: timedelta) -> None:
        """`timeout` bounds one reading of the source; connecting takes at least 2 s a host before it is given up.

        Raises:
            SourceError: the connection string has an option libpq does not know.
        """
        self.name = name
        self._timeout = timeout
        try:
            parameters = conninfo_to_dict(conninfo.get_secret_value())
        except psycopg.ProgrammingError:
            # The driver's message repeats parts of the string, which may hold a password.
            raise SourceError(f"source {name}: the connection string has an option libpq does not know") from None
        self._parameters: dict[str, Any] = {**_CONNECTION_DEFAULTS, **parameters}
        self._parameters.setdefault(
            "connect_timeout", str(max(2, min(_MAX_CONNECT_SECONDS, int(timeout.total_seconds()))))
        )
        if password is not None:
            self._parameters["password"] = password.get_secret_value()
        self._connection: psycopg.Connection[tuple[Any, ...]] | None = None
        self._number = 0
        self._watched = False
        self._interrupted = threading.Event()
        self._stopped = threading.Event()
        self._pinned: Transaction | None = None

    @property
    def place(self) -> Mapping[str, object]:
        """Return what decides which database this is, and what is seen of it: all of the connection string but a password."""
        return {name: value for name, value in self._parameters.items() if name not in ("password", "passfile")}

    @contextlib.contextmanager
    def pinned(self) -> Iterator[Transaction]:
        """Keep a snapshot open: whatever is read of the source meanwhile is of it, and bounded by the timeout as a whole.

        Raises:
            SourceError, Stopped: as for `snapshot`.
        """
        with self.snapshot() as transaction:
            self._pinned = transaction
            try:
                yield transaction
            finally:
                self._pinned = None

    @contextlib.contextmanager
    def snapshot(self) -> Iterator[Transaction]:
        """Open a REPEATABLE READ, READ ONLY transaction, bounded by the timeout as a whole.

        Raises:
            SourceError: the database cannot be reached, refuses, or does not answer in time.
            Stopped: the program ends.
        """
        if self._pinned is not None:
            yield self._pinned
            return
        self._interrupted.clear()
        if self._stopped.is_set():
            raise Stopped(f"source {self.name}: the program ends")
        seconds = self._timeout.total_seconds()
        deadline = monotonic() + seconds
        watch = threading.Timer(seconds, self.interrupt)
        watch.daemon = True
        watch.start()
        try:
            with _translated(self.name, self._interrupted, self._timeout):
                with contextlib.ExitStack() as transaction:
                    connection = self._begin(transaction)
                    yield Transaction(connection, deadline, self._number, watched=self._watched)
                if self._interrupted.is_set():
                    # Who read may have taken the cut connection for a failed query, and gone on.
                    raise SourceError("the connection was cut off")
        except BaseException:
            if self._interrupted.is_set() or not self._is_idle():
                self.close()
            if self._stopped.is_set():
                raise Stopped(f"source {self.name}: the program ends") from None
            raise
        finally:
            watch.cancel()

    def _is_idle(self) -> bool:
        """Tell whether the connection is outside of any transaction; where ending one failed, a stale snapshot stays open."""
        connection = self._connection
        return connection is None or connection.info.transaction_status == psycopg.pq.TransactionStatus.IDLE

    def _begin(self, transaction: contextlib.ExitStack) -> psycopg.Connection[tuple[Any, ...]]:
        """Begin a transaction that ends with the stack; a kept connection that has died meanwhile is replaced.

        Servers, poolers and firewalls end idle connections: that is no outage.
        """
        kept = self._connection is not None
        try:
            return self._begin_once(transaction)
        except psycopg.OperationalError:
            if not kept or self._interrupted.is_set():
                raise
            self.close()
            return self._begin_once(transaction)

    def _begin_once(self, transaction: contextlib.ExitStack) -> psycopg.Connection[tuple[Any, ...]]:
        with contextlib.ExitStack() as attempt:
            connection = self._connected()
            attempt.enter_context(connection.transaction())
            self._set_timeouts(connection)
            transaction.push(attempt.pop_all())
        return connection

    def _connected(self) -> psycopg.Connection[tuple[Any, ...]]:
        if self._connection is None or self._connection.closed:
            # Behind a transaction pooler the next transaction may run on another server connection, so nothing may be
            # prepared and nothing set for the session.
            connection = psycopg.connect(**{"client_encoding": "utf8", **self._parameters}, prepare_threshold=None)
            self._connection = connection  # from here on it can be interrupted
            try:
                if self._interrupted.is_set():
                    raise psycopg.OperationalError("connecting took too long")
                self._prepare(connection)
            except BaseException:
                self.close()
                raise
            self._number = next(_numbers)
        return self._connection

    def _prepare(self, connection: psycopg.Connection[tuple[Any, ...]]) -> None:
        if connection.info.parameter_status("server_encoding") == "SQL_ASCII":
            # Such a database holds any bytes; asked for UTF-8 it would refuse them rather than let the loader replace them.
            connection.execute("set client_encoding to sql_ascii")
            for kind in ("text", "varchar", "bpchar", "name"):
                connection.adapters.register_loader(kind, _LenientTextLoader)
        found = connection.execute("select count(*) from pg_proc where proname = 'pg_relation_filenode'").fetchone()
        self._watched = bool(found and found[0])
        connection.commit()
        connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        connection.read_only = True

    def _set_timeouts(self, connection: psycopg.Connection[tuple[Any, ...]]) -> None:
        timeout = int(self._timeout.total_seconds() * _MILLISECONDS)
        connection.execute(
            "select set_config('statement_timeout', %s, true), set_config('lock_timeout', %s, true), "
            "set_config('idle_in_transaction_session_timeout', %s, true), set_config('TimeZone', 'UTC', true), "
            # Rows hidden by a policy would be missing from every sum without a word: a query that meets one fails instead.
            "set_config('DateStyle', 'ISO', true), set_config('row_security', 'off', true)",
            (str(timeout), str(min(timeout // 2, _MAX_LOCK_MILLISECONDS)), str(2 * timeout)),
        )

    def stop(self) -> None:
        """End whatever the source is waiting for, for good."""
        self._stopped.set()
        self.interrupt()

    def interrupt(self) -> None:
        """End whatever the source is waiting for, from another thread: the waiting call fails at once."""
        self._interrupted.set()
        connection = self._connection
        if connection is None or connection.closed:
            return
        with (
            contextlib.suppress(OSError, psycopg.Error),
            socket.socket(fileno=os.dup(connection.pgconn.socket)) as peer,
        ):
            peer.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Close the connection; the source may be used again."""
        connection, self._connection = self._connection, None
        if connection is not None:
            with contextlib.suppress(psycopg.Error):
                connection.close()


_NO_SUCH_VALUE = (
    "a column is text that does not always hold such a value; map it with an expression that is NULL where it does not, "
    "and such rows are left out and counted"
)
_HINTS = {"22P02": _NO_SUCH_VALUE, "22007": _NO_SUCH_VALUE, "22008": _NO_SUCH_VALUE}
"""What to do, by SQLSTATE, where the database does not know it."""


@contextlib.contextmanager
def _translated(
    source: str | None = None, interrupted: threading.Event | None = None, timeout: timedelta | None = None
) -> Iterator[None]:
    """Turn the driver's errors into `SourceError`, with what the database said and which source it was."""
    try:
        yield
    except psycopg.Error as error:
        message = _message(error)
    except SourceError as error:
        if source is None:
            raise
        message = str(error)
    else:
        return
    if interrupted is not None and interrupted.is_set() and timeout is not None:
        message = f"no answer within {timeout.total_seconds():g} s, or interrupted ({message})"
    raise SourceError(f"source {source}: {message}" if source else message) from None


def _message(error: psycopg.Error) -> str:
    diagnostic = error.diag
    said = diagnostic.message_primary or " ".join(str(error).split()) or type(error).__name__
    # It may quote a value, and that be of any length.
    parts = [said if len(said) <= _MAX_MESSAGE else f"{said[:_MAX_MESSAGE]}..."]
    hint = _HINTS.get(diagnostic.sqlstate or "", diagnostic.message_hint)
    if hint:
        parts.append(f"hint: {hint}")
    if diagnostic.sqlstate:
        parts.append(f"SQLSTATE {diagnostic.sqlstate}")
    return "; ".join(parts)
