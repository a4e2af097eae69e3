"""A platform that books, an exporter that watches it and a witness of every scrape, with what is promised of each fault."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import psycopg

from tests.support import postgres
from tests.support.comparison import as_published, check, snapshot_instant
from tests.support.exporter_process import Event, Exporter, eventually, sample
from tests.support.ledgers import LEDGERS as CONTENT
from tests.support.ledgers import create_ledgers
from tests.support.witness import LEDGERS, Platform, Witness

ROLE = "ledger_exporter"
PASSWORDS = ("s3cret-of-old", "s3cret-of-late")
SETTINGS = {"wal_level": "replica", "max_wal_senders": "4"}
"""Of a server that may have a standby, and recover from an archive."""
INTERVAL = "300ms"
TIMEOUT_SECONDS = 4
"""Long enough that a slow machine is no fault; a ledger that is slow itself is told apart within it."""

ROLES = f"""
create role {ROLE} login password '{PASSWORDS[0]}';
alter role {ROLE} set temp_file_limit = '1MB';
"""


@dataclass
class Scene:
    """All parts together, and what is promised of each fault."""

    server: postgres.Server
    database: str
    config: Path
    exporter: Exporter
    platform: Platform
    witness: Witness

    def execute(self, *statements: str) -> list[tuple[Any, ...]]:
        """Run statements as the database's owner, in one transaction; return the last one's rows."""
        with psycopg.connect(self.server.dsn(self.database)) as connection:
            for statement in statements:
                cursor = connection.execute(statement.encode())
            return cursor.fetchall() if cursor.description else []

    def disconnect(self) -> None:
        """End the exporter's connections."""
        self.execute(f"select pg_terminate_backend(pid, 60000) from pg_stat_activity where usename = '{ROLE}'")

    @contextmanager
    def patient(self, seconds: int) -> Iterator[None]:
        """Give the exporter so many seconds for a reading, by a reload."""
        usual = self.config.read_text()
        self._reload(usual.replace(f"timeout: {TIMEOUT_SECONDS}s", f"timeout: {seconds}s"))
        yield
        self._reload(usual)

    def _reload(self, text: str) -> None:
        before = len(self.exporter.events)
        self.config.write_text(text)
        self.exporter.send(signal.SIGHUP)
        self.exporter.wait_for("configuration reloaded", since=before)

    def waits_for_a_lock(self) -> bool:
        """Whether the exporter waits for somebody's lock."""
        return bool(
            self.execute(
                "select 1 from pg_locks join pg_stat_activity using (pid)"
                f" where not granted and usename = '{ROLE}' and locktype = 'relation'"
            )
        )

    # What is promised

    def endures(
        self,
        breaks: Callable[[], object],
        mends: Callable[[], object],
        down: Collection[str] = LEDGERS,
        says: str = "",
    ) -> None:
        """Check all that is promised of a fault.

        The next pass to begin tells it, of the ledgers it concerns and no others, in the database's words. Nothing is
        published meanwhile that is not true. The second pass to begin after it is mended has read everything at the latest:
        every figure is the oracle's.
        """
        before = self._begin()
        try:
            breaks()
            told = self._passes(time.time(), lambda event: not any(event[f"{ledger}_up"] for ledger in down))
            assert len(told) == 1, f"told by pass {len(told)}"
            assert _up(told[-1]) == {ledger: ledger not in down for ledger in LEDGERS}
            seen = self.exporter.until(
                lambda scrape: not any(scrape[sample("ledger_up", ledger=each)] for each in down)
            )
            assert {ledger for ledger in LEDGERS if not seen[sample("ledger_up", ledger=ledger)]} == {*down}
            for ledger in down:
                eventually(
                    lambda ledger=ledger: says in self._said_of(ledger, before), f"never said of {ledger}: {says}"
                )
        finally:
            mends()
        recovered = self._passes(time.time(), _is_well)
        assert len(recovered) <= 2, f"recovered by pass {len(recovered)}"
        self.is_right()

    def shrugs_off(self, breaks: Callable[[], object], mends: Callable[[], object], passes: int = 4) -> None:
        """Check that something is no fault: all ledgers stay up throughout, and every figure is right."""
        self._begin()
        before = time.time()
        try:
            breaks()
            broken = time.time()
            eventually(lambda: len(passes_since(self.exporter, broken)) >= passes, "it does not refresh")
            assert all(map(_is_well, passes_since(self.exporter, before))), self.exporter.events[-10:]
        finally:
            mends()
        self.is_right()

    def passes_over(self, *happenings: Callable[[], object]) -> None:
        """Check that what happens costs the reading under way at most, and that nothing is published which is not true."""
        self._begin()
        for happens in happenings:
            happens()
            recovered = self._passes(time.time(), _is_well)
            assert len(recovered) == 1, f"recovered by pass {len(recovered)}"
        self.is_right()

    def is_right(self) -> None:
        """Check that the same process is there, that no scrape has been wrong, and that every figure is the oracle's."""
        self.platform.rest()
        rested = time.time()
        scrape = self.exporter.until(lambda scrape: scrape[sample("ledger_snapshot_timestamp_seconds")] > rested)
        published = as_published(scrape)
        check([self.server.dsn(self.database)], snapshot_instant(scrape), published)
        assert self.exporter.process.poll() is None
        assert self.witness.objections == []
        assert not [event for event in self.exporter.events if "exception" in event]
        self.platform.go_on()

    def _said_of(self, ledger: str, since: int) -> str:
        outages = [event for event in self.exporter.events[since:] if event["msg"] == "ledger cannot be read"]
        return "\n".join(event["error"] for event in outages if event["ledger"] == ledger)

    def _begin(self) -> int:
        self.platform.go_on()
        self._passes(time.time(), _is_well)
        booked = self.platform.booked
        eventually(lambda: self.platform.booked > booked, "the platform does not book")
        self.witness.objections.clear()
        return len(self.exporter.events)

    def _passes(self, since: float, last: Callable[[Event], bool]) -> Sequence[Event]:
        """The passes that begin after an instant, up to the first of which something is true."""
        eventually(
            lambda: any(map(last, passes_since(self.exporter, since))), f"no such pass: {self.exporter.events[-10:]}"
        )
        found = passes_since(self.exporter, since)
        return found[: 1 + next(position for position, event in enumerate(found) if last(event))]


def passes_since(exporter: Exporter, instant: float) -> list[Event]:
    """The passes that began after an instant and are over; one under way at that instant may not know what it brought."""
    passes = [event for event in exporter.events if event["msg"] == "refreshed"]
    return [event for event in passes if datetime.fromisoformat(event["ts"]).timestamp() - event["seconds"] > instant]


def _up(event: Event) -> dict[str, bool]:
    return {ledger: event[f"{ledger}_up"] for ledger in LEDGERS}


def _is_well(event: Event) -> bool:
    return all(_up(event).values())


def furnish(server: postgres.Server) -> str:
    """Create a database with ledgers, and the role that reads them; return its name."""
    name = server.create_database(create_ledgers)
    with psycopg.connect(server.dsn(name), autocommit=True) as connection:
        connection.execute(CONTENT)
        if not connection.execute("select from pg_roles where rolname = %s", [ROLE]).fetchall():
            connection.execute(ROLES)
        connection.execute(f"grant select on all tables in schema public to {ROLE}")
    return name


def configure(file: Path, dsn: str, *, password: Path | None = None, timeout: str = f"{TIMEOUT_SECONDS}s") -> Path:
    """Write a configuration for a database, and return where."""
    secret = f', password_file: "{password}"' if password else ""
    file.write_text(
        f'sources: {{main: {{dsn: "{dsn}"{secret}}}}}\n'
        "ledgers: {cost: {source: main}, impact: {source: main}, budget: {source: main}}\n"
        f"refresh: {{interval: {INTERVAL}, timeout: {timeout}}}\n"
    )
    return file
