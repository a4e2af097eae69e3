"""A read-only transaction, and the queries asked in it."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from time import monotonic, perf_counter
from typing import Any, TypeVar

import psycopg

from exporter.databases.driver_errors import source_error, translated
from exporter.databases.query import Dialogue, Query, Result, sql_file
from exporter.errors import SourceError

# The server gives up a little before the source is cut off: its error costs one ledger, the cut all of them.
TIME_FOR_AN_ERROR = 0.9
MILLISECONDS = 1000
_FETCHED_ROWS = 500
"""The driver converts this many rows at once while it holds the interpreter's lock: a scrape waits no longer than that."""

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
        with translated():
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
            with translated():
                self._limit()
            found += self._ask_together([query])
        return found

    def _limit(self) -> None:
        """Let the next query take what is left of the time, where that is limited."""
        if self._until is not None:
            milliseconds = max(1, int((self._until - monotonic()) * MILLISECONDS))
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
            raise source_error(error, owner=queries[failed].owner) from None
        finally:
            self.waited += perf_counter() - started
        return [_fetched(cursor) for cursor in cursors]

    @contextlib.contextmanager
    def savepoint(self, share: float = 1) -> Iterator[None]:
        """Confine a failure: what is read after it is still of the same snapshot.

        The queries within may take that share of the time left, so that slow ones leave some to those that come after.
        """
        with translated(), self._connection.transaction():
            now = monotonic()
            self._until = now + (self._deadline - now) * share * TIME_FOR_AN_ERROR
            try:
                yield
            finally:
                self._until = None


def _fetched(cursor: psycopg.Cursor[tuple[Any, ...]]) -> Result:
    rows: Result = []
    while batch := cursor.fetchmany(_FETCHED_ROWS):
        rows += batch
    return rows
