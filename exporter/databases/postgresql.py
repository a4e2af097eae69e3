"""A PostgreSQL database: read in transactions that are bounded in time, and interrupted when the program ends."""

from __future__ import annotations

import contextlib
import logging
import threading
from collections.abc import Iterator, Mapping
from datetime import timedelta
from time import monotonic

import psycopg
from pydantic import SecretStr

from exporter.databases.driver_errors import translated
from exporter.databases.session import Session
from exporter.databases.transaction import MILLISECONDS, TIME_FOR_AN_ERROR, Transaction
from exporter.errors import SourceError, Stopped

# The driver warns of what follows from an error it raises as well.
logging.getLogger("psycopg").setLevel(logging.ERROR)


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
            self._session = Session(conninfo, password, timeout)
        except psycopg.ProgrammingError:
            # The driver's message repeats parts of the string, which may hold a password.
            raise SourceError(f"source {name}: the connection string has an option libpq does not know") from None
        self.waited = 0.0
        self._interrupted = threading.Event()
        self._stopped = threading.Event()
        self._pinned: Transaction | None = None

    @property
    def place(self) -> Mapping[str, object]:
        """Return what decides which database this is, and what is seen of it: all of the connection string but a password."""
        return self._session.place

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
        deadline, session = self.deadline() if deadline is None else deadline, self._session
        watch = threading.Timer(max(0, deadline - monotonic()), self.interrupt)
        watch.daemon = True
        watch.start()
        try:
            with translated(self.name, self._interrupted, self._timeout):
                with contextlib.ExitStack() as transaction:
                    milliseconds = max(1, int((deadline - monotonic()) * share * TIME_FOR_AN_ERROR * MILLISECONDS))
                    connection = session.begin(transaction, milliseconds, self._interrupted.is_set)
                    running = Transaction(
                        connection, deadline, session.number, watched=session.is_watched, prepares=session.prepares
                    )
                    yield running
                    self.waited = running.waited
                if self._interrupted.is_set():
                    # Who read may have taken the cut connection for a failed query, and gone on.
                    raise SourceError("the connection was cut off")
        except BaseException:
            if self._interrupted.is_set() or not session.is_idle:
                self.close()
            if self._stopped.is_set():
                raise Stopped(f"source {self.name}: the program ends") from None
            raise
        finally:
            watch.cancel()

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
        self._session.cut()

    def drop_statements(self) -> None:
        """Reconnect next time, after an error about a prepared statement; after a second one prepare none any more."""
        self._session.drop_statements()

    def close(self) -> None:
        """Close the connection; the source may be used again."""
        self._session.close()
