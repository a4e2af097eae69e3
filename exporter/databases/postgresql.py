"""PostgreSQL: one kept connection, read-only transactions on it, and the driver's errors in the program's terms."""

from __future__ import annotations

import contextlib
import itertools
import logging
import os
import socket
import threading
from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta
from time import monotonic, perf_counter
from typing import Any, TypeVar

import psycopg
from psycopg.conninfo import conninfo_to_dict
from psycopg.pq import Format
from psycopg.types.numeric import Int8BinaryLoader, OidBinaryLoader
from psycopg.types.string import TextLoader
from pydantic import SecretStr

from exporter import __version__
from exporter.databases.query import Dialogue, Query, Result, sql_file
from exporter.errors import FailureKind, SourceError, Stopped

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
_LOCK_MILLISECONDS = 500
"""A ledger that somebody else has locked is given up soon: whoever waits for the lock after us waits as long."""
_MILLISECONDS = 1000
# The server gives up a little before the source is cut off: its error costs one ledger, the cut all of them.
_TIME_FOR_AN_ERROR = 0.9
_MAX_MESSAGE = 500
_FETCHED_ROWS = 500
"""The driver converts this many rows at once while it holds the interpreter's lock: a scrape waits no longer than that."""

_BEGIN = b"begin isolation level repeatable read, read only"
"""The first statement of every transaction: a default isolation of serializable would refuse all others on a hot standby."""

PINNED = {
    "TimeZone": "UTC",
    "DateStyle": "ISO, MDY",
    # Rows hidden by a policy would be missing from every sum without a word: a query that meets one fails instead.
    "row_security": "off",
}
PINNED_ON_POSTGRESQL = {
    "IntervalStyle": "postgres",
    "standard_conforming_strings": "on",
    "transform_null_equals": "off",
    "extra_float_digits": "1",
    "bytea_output": "hex",
    "lc_monetary": "C",
    "lc_numeric": "C",
    "lc_time": "C",
    "jit": "off",
}
"""Settings that change the meaning of an expression or of its result, and what they are for the time of a transaction.

They are set for the transaction alone: behind a pooler the session belongs to an application.
"""

_STALE_STATEMENTS = {"26000", "42P05", "0A000"}
"""SQLSTATE of an unknown prepared statement, of one that exists already, and of one whose result has changed its type."""
_MAX_STALE_STATEMENTS = 2
_TIMEOUTS = {"57014", "55P03"}
"""SQLSTATE of a statement that was cancelled and of a lock that was not available."""


class _LenientTextLoader(TextLoader):
    """Reads text that is not UTF-8 (a database in SQL_ASCII holds anything) rather than fail a refresh over a label."""

    def load(self, data: Any) -> str:  # noqa: ANN401 - the driver's buffer type
        return bytes(data).decode("utf-8", "replace")


class _LenientTextBinaryLoader(_LenientTextLoader):
    format = Format.BINARY


T = TypeVar("T")


class Transaction:
    """A running read-only transaction: all it reads is of one snapshot."""

    def __init__(
        self,
        connection: psycopg.Connection[tuple[Any, ...]],
        deadline: float,
        number: int,
        *,
        watched: bool = True,
        prepares: bool = False,
    ) -> None:
        """`deadline` is when the source will be cut off, by the monotonic clock; `number` differs for every connection.

        `watched` tells whether the server can say that a relation was rewritten, `prepares` whether repeated queries are
        prepared.
        """
        self._connection = connection
        self._deadline = deadline
        self._until: float | None = None
        self._rewritten = Query(f"select {sql_file('questions/rewritten')}" if watched else "select false", {})
        self._prepares = prepares
        self.number = number
        self.waited = 0.0

    def rows(self, query: str, parameters: Mapping[str, object]) -> list[tuple[Any, ...]]:
        """Return all rows a query gives.

        Raises:
            SourceError: the database refused or the connection broke.
        """
        with _translated():
            self._limit()
            return self._connection.execute(query.encode(), parameters).fetchall()

    def hold(self, dialogue: Dialogue[T]) -> T:
        """Ask what a dialogue asks, each batch in one round trip, and return what it returns.

        Raises:
            SourceError: the database refused a query, whose owner it names, or the connection broke.
        """
        try:
            queries = next(dialogue)
            while True:
                queries = dialogue.send(self._ask(queries))
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
        """Ask queries in one round trip, or one by one where the time for them is limited."""
        if self._until is None:
            return self._ask_together(queries)
        found: list[Result] = []
        for query in queries:
            with _translated():
                self._limit()
            found += self._ask_together([query])
        return found

    def _limit(self) -> None:
        """Let the next query take what is left of the time, where that is limited."""
        if self._until is not None:
            milliseconds = max(1, int((self._until - monotonic()) * _MILLISECONDS))
            self._connection.execute("select set_config('statement_timeout', %s, true)", (str(milliseconds),))

    def _ask_together(self, queries: Sequence[Query]) -> list[Result]:
        """Ask queries in one round trip. Results arrive whole: the server never waits until they are taken in."""
        cursors: list[psycopg.Cursor[tuple[Any, ...]]] = []
        started = perf_counter()
        try:
            with contextlib.ExitStack() as pipeline:
                if len(queries) > 1:
                    pipeline.enter_context(self._connection.pipeline())
                for query in queries:
                    cursors.append(self._connection.cursor(binary=query.is_binary))
                    cursors[-1].execute(
                        query.text.encode(), query.parameters, prepare=query.is_repeated and self._prepares
                    )
        except psycopg.Error as error:
            # A pipeline reports an error at whatever is sent or fetched next: the query without a result has failed.
            failed = next((at for at, cursor in enumerate(cursors) if cursor.pgresult is None), 0)
            raise _source_error(error, owner=queries[failed].owner) from None
        finally:
            self.waited += perf_counter() - started
        return [_fetched(cursor) for cursor in cursors]

    @contextlib.contextmanager
    def savepoint(self, share: float = 1) -> Iterator[None]:
        """Confine a failure: what is read after it is still of the same snapshot.

        The queries within may take that share of the time left, so that slow ones leave some to those that come after.
        """
        with _translated(), self._connection.transaction():
            now = monotonic()
            self._until = now + (self._deadline - now) * share * _TIME_FOR_AN_ERROR
            try:
                yield
            finally:
                self._until = None


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
        self._pinned_settings: Mapping[str, str] = PINNED
        self._may_prepare = True
        self._prepares = False
        self._stale_statements = 0
        self.waited = 0.0
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

    def deadline(self) -> float:
        """Return until when, by the monotonic clock, a reading may last that begins now."""
        return monotonic() + self._timeout.total_seconds()

    @contextlib.contextmanager
    def snapshot(self, deadline: float | None = None, share: float = 1) -> Iterator[Transaction]:
        """Open a REPEATABLE READ, READ ONLY transaction, bounded as a whole: by the timeout, or until a deadline.

        Each query may take that share of the time.

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
        deadline = self.deadline() if deadline is None else deadline
        watch = threading.Timer(max(0, deadline - monotonic()), self.interrupt)
        watch.daemon = True
        watch.start()
        try:
            with _translated(self.name, self._interrupted, self._timeout):
                with contextlib.ExitStack() as transaction:
                    connection = self._begin(transaction, deadline, share)
                    running = Transaction(
                        connection, deadline, self._number, watched=self._watched, prepares=self._prepares
                    )
                    yield running
                    self.waited = running.waited
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

    def _begin(
        self, transaction: contextlib.ExitStack, deadline: float, share: float
    ) -> psycopg.Connection[tuple[Any, ...]]:
        """Begin a transaction that ends with the stack; a kept connection that has died meanwhile is replaced.

        Servers, poolers and firewalls end idle connections: that is no outage.
        """
        kept = self._connection is not None
        try:
            return self._begin_once(transaction, deadline, share)
        except psycopg.OperationalError:
            if not kept or self._interrupted.is_set():
                raise
            self.close()
            return self._begin_once(transaction, deadline, share)

    def _begin_once(
        self, transaction: contextlib.ExitStack, deadline: float, share: float
    ) -> psycopg.Connection[tuple[Any, ...]]:
        connection = self._connected()
        timeout = int(self._timeout.total_seconds() * _MILLISECONDS)
        seconds = (deadline - monotonic()) * share * _TIME_FOR_AN_ERROR
        settings = {
            **self._pinned_settings,
            "statement_timeout": str(max(1, int(seconds * _MILLISECONDS))),
            "lock_timeout": str(min(timeout // 2, _LOCK_MILLISECONDS)),
            "idle_in_transaction_session_timeout": str(2 * timeout),
        }
        pins = f"select {', '.join(['set_config(%s, %s, true)'] * len(settings))}, pg_backend_pid()".encode()
        with contextlib.ExitStack() as attempt:
            attempt.push(lambda kind, *_: _end(connection, failed=kind is not None))
            with connection.pipeline():
                connection.execute(_BEGIN)
                pinned = connection.execute(pins, [text for setting in settings.items() for text in setting])
            transaction.push(attempt.pop_all())
        (*_, backend) = pinned.fetchone() or (None,)
        # Behind a pooler another server process answers than the one the driver was introduced to.
        self._prepares = self._may_prepare and backend == connection.info.backend_pid
        connection.prepare_threshold = 0 if self._prepares else None
        return connection

    def _connected(self) -> psycopg.Connection[tuple[Any, ...]]:
        if self._connection is None or self._connection.closed:
            connection = psycopg.connect(
                **{"client_encoding": "utf8", **self._parameters}, autocommit=True, prepare_threshold=None
            )
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
        """Set up a new connection, on the client's side alone."""
        status, adapters = connection.info.parameter_status, connection.adapters
        # In binary an instant is microseconds since 2000, whatever its year, and costs the server nothing.
        adapters.register_loader("timestamptz", Int8BinaryLoader)
        adapters.register_loader("xid", OidBinaryLoader)
        if status("server_encoding") == "SQL_ASCII":
            # Such a database holds any bytes; asked for UTF-8 it would refuse them rather than let the loader replace them.
            connection.execute("set client_encoding to sql_ascii")
            for kind in ("text", "varchar", "bpchar", "name"):
                adapters.register_loader(kind, _LenientTextLoader)
                adapters.register_loader(kind, _LenientTextBinaryLoader)
        milliseconds = str(int(self._timeout.total_seconds() * _MILLISECONDS))
        with connection.pipeline():
            connection.execute(_BEGIN)
            connection.execute("select set_config('statement_timeout', %s, true)", (milliseconds,))
            found = connection.execute("select count(*) from pg_proc where proname = 'pg_relation_filenode'")
            connection.execute(b"commit")
        self._watched = found.fetchone() != (0,)
        self._pinned_settings = PINNED | (PINNED_ON_POSTGRESQL if self._watched else {})

    def rest(self, seconds: float) -> None:
        """Let the database rest; return early when the program ends."""
        if seconds > 0:
            self._stopped.wait(seconds)

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

    def drop_statements(self) -> None:
        """Reconnect next time, after an error about a prepared statement; after a second one prepare none any more."""
        self._stale_statements += 1
        self._may_prepare = self._stale_statements < _MAX_STALE_STATEMENTS
        self.close()

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
    """Turn the driver's errors into `SourceError`, with the database's message and the name of the source."""
    try:
        yield
    except psycopg.Error as error:
        translated = _source_error(error)
    except SourceError as error:
        if source is None:
            raise
        translated = error
    else:
        return
    message = str(translated)
    cut_off = interrupted is not None and interrupted.is_set() and timeout is not None
    if cut_off and timeout is not None:
        message = f"no answer within {timeout.total_seconds():g} s, or interrupted ({message})"
    raise SourceError(
        f"source {source}: {message}" if source else message,
        sqlstate=translated.sqlstate,
        owner="" if cut_off else translated.owner,
        kind="timeout" if cut_off else translated.kind,
    ) from None


def _source_error(error: psycopg.Error, owner: str = "") -> SourceError:
    """Return a driver's error in the program's terms."""
    kind = _kind(error)
    return SourceError(_message(error), sqlstate=error.sqlstate, owner="" if kind == "connection" else owner, kind=kind)


def _kind(error: psycopg.Error) -> FailureKind:
    state = error.sqlstate
    if state in _TIMEOUTS:
        return "timeout"
    if state in _STALE_STATEMENTS:
        return "statement"
    has_ended = state is None and isinstance(error, psycopg.OperationalError)
    return "connection" if has_ended or (state or "")[:2] in ("08", "57") else "query"


def _end(connection: psycopg.Connection[tuple[Any, ...]], *, failed: bool) -> None:
    """End a transaction; where reading failed, an error in ending it adds nothing."""
    if failed:
        with contextlib.suppress(psycopg.Error):
            connection.execute(b"rollback")
    else:
        connection.execute(b"commit")


def _fetched(cursor: psycopg.Cursor[tuple[Any, ...]]) -> Result:
    rows: Result = []
    while batch := cursor.fetchmany(_FETCHED_ROWS):
        rows += batch
    return rows


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
