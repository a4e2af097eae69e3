"""A database: one kept connection, read-only snapshot transactions on it, and the driver's errors in the program's terms."""

from __future__ import annotations

import contextlib
import os
import socket
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from importlib import resources
from time import monotonic
from typing import Any

import psycopg
from psycopg.conninfo import conninfo_to_dict
from psycopg.types.string import TextLoader
from pydantic import SecretStr

from exporter import __version__
from exporter.errors import SourceError, Stopped
from exporter.parts import RECENT_DAYS, day_of

APPLICATION_NAME = f"ledger-exporter/{__version__}"

# A dead peer is noticed by the kernel well before the default two hours; what the operator's string says has precedence.
_CONNECTION_DEFAULTS = {
    "application_name": APPLICATION_NAME,
    "keepalives_idle": "10",
    "keepalives_interval": "5",
    "keepalives_count": "3",
}
_MAX_CONNECT_SECONDS = 5
_MAX_LOCK_MILLISECONDS = 2000
_MILLISECONDS = 1000
# The server gives up a little before the source is cut off: its error costs one ledger, the cut all of them.
_TIME_FOR_AN_ERROR = 0.9


class _LenientTextLoader(TextLoader):
    """Reads text that is not UTF-8 (a database in SQL_ASCII holds anything) rather than fail a refresh over a label."""

    def load(self, data: Any) -> str:  # noqa: ANN401 - the driver's buffer type
        return bytes(data).decode("utf-8", "replace")


@dataclass(frozen=True)
class Question:
    """The parameters every question may use: the instant of the refresh, and the days it makes."""

    now: datetime
    grace: timedelta = timedelta(0)

    @property
    def today(self) -> int:
        """Return the UTC day of the refresh."""
        return day_of(self.now)

    @property
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


def compose(name: str, rows: str, relation: str, expressions: Mapping[str, str]) -> str:
    """Return a question over the rows of a ledger as the configuration maps them."""
    escaped = {column: expression.replace("%", "%%") for column, expression in expressions.items()}
    mapped = sql_file(rows).format(relation=relation.replace("%", "%%"), **escaped)
    return sql_file(name).format(rows=mapped)


class Transaction:
    """A running read-only transaction: all it reads is of one snapshot."""

    def __init__(self, connection: psycopg.Connection[tuple[Any, ...]], deadline: float) -> None:
        """`deadline` is when the source will be cut off, by the monotonic clock."""
        self._connection = connection
        self._deadline = deadline

    def rows(self, query: str, parameters: Mapping[str, object]) -> list[tuple[Any, ...]]:
        """Return all rows a query gives.

        Raises:
            SourceError: the database refused or the connection broke.
        """
        with _translated():
            return self._connection.execute(query.encode(), parameters).fetchall()

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
        self._interrupted = threading.Event()
        self._stopped = threading.Event()

    @contextlib.contextmanager
    def snapshot(self) -> Iterator[Transaction]:
        """Open a REPEATABLE READ, READ ONLY transaction, bounded by the timeout as a whole.

        Raises:
            SourceError: the database cannot be reached, refuses, or does not answer in time.
            Stopped: the program ends.
        """
        self._interrupted.clear()
        seconds = self._timeout.total_seconds()
        deadline = monotonic() + seconds
        watch = threading.Timer(seconds, self.interrupt)
        watch.daemon = True
        watch.start()
        try:
            with _translated(self.name, self._interrupted, self._timeout):
                with contextlib.ExitStack() as transaction:
                    yield Transaction(self._begin(transaction), deadline)
                if self._interrupted.is_set():
                    # Who read may have taken the cut connection for a failed query, and gone on.
                    raise SourceError("the connection was cut off")
        except BaseException:
            if self._interrupted.is_set():
                self.close()
            if self._stopped.is_set():
                raise Stopped(f"source {self.name}: the program ends") from None
            raise
        finally:
            watch.cancel()

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
            if self._interrupted.is_set():
                raise psycopg.OperationalError("connecting took too long")
            attempt.enter_context(connection.transaction())
            self._set_timeouts(connection)
            transaction.push(attempt.pop_all())
        return connection

    def _connected(self) -> psycopg.Connection[tuple[Any, ...]]:
        if self._connection is None or self._connection.closed:
            # Behind a transaction pooler the next transaction may run on another server connection, so nothing may be
            # prepared and nothing set for the session.
            connection = psycopg.connect(**{"client_encoding": "utf8", **self._parameters}, prepare_threshold=None)
            if connection.info.parameter_status("server_encoding") == "SQL_ASCII":
                # Such a database holds any bytes; asked for UTF-8 it would refuse them rather than let the loader replace them.
                connection.execute("set client_encoding to sql_ascii")
                connection.commit()
            connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
            connection.read_only = True
            for kind in ("text", "varchar", "bpchar", "name"):
                connection.adapters.register_loader(kind, _LenientTextLoader)
            self._connection = connection
        return self._connection

    def _set_timeouts(self, connection: psycopg.Connection[tuple[Any, ...]]) -> None:
        timeout = int(self._timeout.total_seconds() * _MILLISECONDS)
        connection.execute(
            "select set_config('statement_timeout', %s, true), set_config('lock_timeout', %s, true), "
            "set_config('idle_in_transaction_session_timeout', %s, true), set_config('TimeZone', 'UTC', true), "
            "set_config('DateStyle', 'ISO', true)",
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
    parts = [diagnostic.message_primary or " ".join(str(error).split()) or type(error).__name__]
    if diagnostic.message_hint:
        parts.append(f"hint: {diagnostic.message_hint}")
    if diagnostic.sqlstate:
        parts.append(f"SQLSTATE {diagnostic.sqlstate}")
    return "; ".join(parts)
