"""One kept connection to a PostgreSQL server, and what is known of it."""

from __future__ import annotations

import contextlib
import itertools
import os
import socket
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any

import psycopg
from psycopg.conninfo import conninfo_to_dict
from psycopg.pq import Format
from psycopg.types.numeric import Int8BinaryLoader, OidBinaryLoader
from psycopg.types.string import TextLoader
from pydantic import SecretStr

from exporter import __version__

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
_MAX_STALE_STATEMENTS = 2

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


class _LenientTextLoader(TextLoader):
    """Reads text that is not UTF-8 (a database in SQL_ASCII holds anything) rather than fail a refresh over a label."""

    def load(self, data: Any) -> str:  # noqa: ANN401 - the driver's buffer type
        return bytes(data).decode("utf-8", "replace")


class _LenientTextBinaryLoader(_LenientTextLoader):
    format = Format.BINARY


class Session:
    """A connection that is made when it is needed, and kept. Each transaction pins settings for itself alone.

    `number` differs for every connection. `is_watched` tells whether the server can say that a relation was rewritten,
    `prepares` whether repeated queries are prepared.
    """

    def __init__(self, conninfo: SecretStr, password: SecretStr | None, timeout: timedelta) -> None:
        """Raise `psycopg.ProgrammingError` where the connection string has an option that libpq does not know."""
        self._timeout = timeout
        self._parameters: dict[str, Any] = {**_CONNECTION_DEFAULTS, **conninfo_to_dict(conninfo.get_secret_value())}
        self._parameters.setdefault(
            "connect_timeout", str(max(2, min(_MAX_CONNECT_SECONDS, int(timeout.total_seconds()))))
        )
        if password is not None:
            self._parameters["password"] = password.get_secret_value()
        self.connection: psycopg.Connection[tuple[Any, ...]] | None = None
        self.number = 0
        self.is_watched = False
        self.prepares = False
        self._pinned_settings: Mapping[str, str] = PINNED
        self._stale_statements = 0

    @property
    def place(self) -> Mapping[str, object]:
        """Return what decides which database this is, and what is seen of it: all of the connection string but a password."""
        return {name: value for name, value in self._parameters.items() if name not in ("password", "passfile")}

    @property
    def is_idle(self) -> bool:
        """Tell whether it is outside of any transaction; where ending one failed, a stale snapshot stays open."""
        connection = self.connection
        return connection is None or connection.info.transaction_status == psycopg.pq.TransactionStatus.IDLE

    def begin(
        self, transaction: contextlib.ExitStack, milliseconds: int, is_interrupted: Callable[[], bool]
    ) -> psycopg.Connection[tuple[Any, ...]]:
        """Begin a transaction that ends with the stack; a kept connection that has died meanwhile is replaced.

        Servers, poolers and firewalls end idle connections: that is no outage. A query may take so many milliseconds.
        """
        kept = self.connection is not None
        try:
            return self._begin_once(transaction, milliseconds, is_interrupted)
        except psycopg.OperationalError:
            if not kept or is_interrupted():
                raise
            self.close()
            return self._begin_once(transaction, milliseconds, is_interrupted)

    def _begin_once(
        self, transaction: contextlib.ExitStack, milliseconds: int, is_interrupted: Callable[[], bool]
    ) -> psycopg.Connection[tuple[Any, ...]]:
        connection = self._connected(is_interrupted)
        timeout = int(self._timeout.total_seconds() * _MILLISECONDS)
        settings = {
            **self._pinned_settings,
            "statement_timeout": str(milliseconds),
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
        may_prepare = self._stale_statements < _MAX_STALE_STATEMENTS
        self.prepares = may_prepare and backend == connection.info.backend_pid
        connection.prepare_threshold = 0 if self.prepares else None
        return connection

    def _connected(self, is_interrupted: Callable[[], bool]) -> psycopg.Connection[tuple[Any, ...]]:
        if self.connection is None or self.connection.closed:
            connection = psycopg.connect(
                **{"client_encoding": "utf8", **self._parameters}, autocommit=True, prepare_threshold=None
            )
            self.connection = connection  # from here on it can be interrupted
            try:
                if is_interrupted():
                    raise psycopg.OperationalError("connecting took too long")
                self._prepare(connection)
            except BaseException:
                self.close()
                raise
            self.number = next(_numbers)
        return self.connection

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
        self.is_watched = found.fetchone() != (0,)
        self._pinned_settings = PINNED | (PINNED_ON_POSTGRESQL if self.is_watched else {})

    def cut(self) -> None:
        """End whatever is waited for, from another thread: the waiting call fails at once."""
        connection = self.connection
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
        self.close()

    def close(self) -> None:
        """Close the connection; the session may be used again."""
        connection, self.connection = self.connection, None
        if connection is not None:
            with contextlib.suppress(psycopg.Error):
                connection.close()


def _end(connection: psycopg.Connection[tuple[Any, ...]], *, failed: bool) -> None:
    """End a transaction; where reading failed, an error in ending it adds nothing."""
    if failed:
        with contextlib.suppress(psycopg.Error):
            connection.execute(b"rollback")
    else:
        connection.execute(b"commit")
