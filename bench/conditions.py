"""Our refreshes under conditions that a quiet, freshly vacuumed ledger does not have."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from bench import database, edits, exporters, statements, tools, updating
from bench.booking import Booking
from bench.database import Ledgers, Server
from bench.errors import BenchError
from bench.exporters import COMPACT, OURS, ROLES, Pass, Running
from bench.refreshing import Plan, Refreshes, Refreshing, say
from bench.scraping import p50
from bench.statements import Work

OLD_ROWS, OLD_RATE = 4_070, 11
"""A small ledger of 370 days: it has few rows and many days."""

TAIL_ROWS = 250_000
"""At most so many of the newest charges are rewritten, and at most a tenth of the ledger."""

_RECOVERY_SECONDS = 180.0
_LAST_WORK_SECONDS = 1.0
"""After a swap verification works for less than this."""


class Conditions:
    """Measures our refreshes under other conditions, all in the compact configuration."""

    def __init__(self, server: Server, plan: Plan, quests: int, settle: Callable[[], None]) -> None:
        """`settle` waits for the machine to be quiet."""
        self._server = server
        self._plan = plan
        self._quests = quests
        self._settle = settle
        self._refreshing = Refreshing(server, plan)

    def old_ledger(self) -> dict[str, Any]:
        """Measure how long edits take to show in a ledger of few rows and many days."""
        say(f"{OLD_ROWS:,} rows over {OLD_ROWS // OLD_RATE} days: edits of old rows")
        with self._server.ledgers(OLD_ROWS, OLD_RATE, self._quests) as ledgers:
            return {"rows": OLD_ROWS, "days": OLD_ROWS // OLD_RATE, **self._edits(ledgers, Booking(ledgers))}

    def at(self, rows: int) -> dict[str, Any]:
        """Measure all conditions on a ledger of so many rows."""
        rate = self._plan.rate
        say(f"{rows:,} rows at {rate:,} a day, under other conditions: filling")
        with self._server.ledgers(rows, rate, self._quests) as ledgers:
            updating.prepare(ledgers)
            booking = Booking(ledgers)
            found: dict[str, Any] = {"rows": rows, "rate": rate, "fill_seconds": ledgers.fill_seconds}
            found["statements"] = self._statements(ledgers, booking)
            say("  edits of old rows")
            found["edits"] = self._edits(ledgers, booking)
            found |= self._updates_and_cold_cache(ledgers, booking)
            found["tail"] = self._tail(ledgers, booking)
            say("  the heap in random order: copying")
            database.shuffle(ledgers.dsn)
            found["random"] = self._refreshes(ledgers, booking, "the heap in random order")
            return found

    @contextmanager
    def _loaded(self, ledgers: Ledgers, interval: float) -> Iterator[Running]:
        """Our exporter, once it has loaded everything."""
        position = self._server.log.position()
        with exporters.running(OURS, ledgers, interval, COMPACT) as exporter:
            self._refreshing.first_load(exporter, Refreshes(), position)
            yield exporter

    def _statements(self, ledgers: Ledgers, booking: Booking) -> dict[str, Any]:
        """Count the statements of refreshes, first while nothing is booked, then at the usual rate."""
        say("  statements of a refresh")
        with self._server.logging_statements(ROLES[OURS]), self._loaded(ledgers, 1) as exporter:
            quiet = self._works(exporter, self._plan.refreshes)
            with booking.at(ledgers.rate):
                booked = self._works(exporter, self._plan.refreshes)
        return {
            "quiet": p50([work.statements for work in quiet]),
            "quiet_most": max(work.statements for work in quiet),
            "booked": p50([work.statements for work in booked]),
            "refreshes": len(quiet),
        }

    def _works(self, exporter: Running, number: int) -> list[Work]:
        """Wait for so many refreshes and return what each took, the verification before it included."""
        position, done = self._server.log.position(), len(exporter.passes())
        self._refreshing.await_passes(exporter, done + number + 1)
        marks = [each.ended for each in exporter.passes()[done:]]
        return statements.by_marks(self._server.log.since(position, exporter.role), marks)

    def _edits(self, ledgers: Ledgers, booking: Booking) -> dict[str, Any]:
        """Measure how long edits take to show, by a process that knows of none before."""
        patience = self._plan.edit_patience_seconds
        with booking.at(ledgers.rate), self._loaded(ledgers, self._plan.interval_seconds) as exporter:
            return edits.figures(edits.edited(ledgers, exporter, self._plan.edits, patience), patience)

    def _updates_and_cold_cache(self, ledgers: Ledgers, booking: Booking) -> dict[str, Any]:
        """Measure both in one process, as the first load of a large ledger takes minutes."""
        plan = self._plan
        say("  a quiet while, updates to an unrelated column, refreshes with cold caches")
        self._settle()
        with self._loaded(ledgers, plan.interval_seconds) as exporter:
            with booking.at(ledgers.rate):
                quiet = updating.effort(self._server, exporter, plan.quiet_seconds)
                with updating.updates(ledgers, plan.updates_a_second):
                    busy = updating.effort(self._server, exporter, plan.updates_seconds)
            cold = self._cold_cache(exporter)
        updates = {"a_second": plan.updates_a_second, "seconds": plan.updates_seconds}
        return {"updates": {**updates, "quiet": vars(quiet), "busy": vars(busy)}, "cold": cold}

    def _cold_cache(self, exporter: Running) -> dict[str, Any]:
        """Measure the first refresh after each of several restarts of the server, its caches dropped where permitted.

        Nothing is booked meanwhile: the restart would end the connection that books.
        """
        found, drops = Refreshes(), list[bool]()
        for _ in range(self._plan.cold_refreshes):
            self._refreshing.await_passes(exporter, len(exporter.passes()) + 1)
            time.sleep(_LAST_WORK_SECONDS)
            self._server.restart(lambda: drops.append(tools.drop_caches()))
            position, began = self._server.log.position(), time.time()
            first = self._first_success(exporter, began)
            (work,) = statements.by_marks(self._server.log.since(position, exporter.role), [began, first.ended])
            found.add(work, first.seconds * 1000)
        return {**found.figures(), "dropped_caches": all(drops)}

    @staticmethod
    def _first_success(exporter: Running, since: float) -> Pass:
        """Wait for the first refresh since an instant that could read every ledger."""
        deadline = time.monotonic() + _RECOVERY_SECONDS
        while time.monotonic() < deadline:
            for each in exporter.passes():
                if each.up and each.began > since:
                    return each
            time.sleep(exporters.POLL_SECONDS)
        raise BenchError(
            f"{exporter.name} did not recover from a restart of the server:\n{exporter.program.last_words()}"
        )

    def _tail(self, ledgers: Ledgers, booking: Booking) -> dict[str, Any]:
        """Measure refreshes where the newest charges were rewritten since the last vacuum; vacuum in the end."""
        charges = min(TAIL_ROWS, ledgers.rows // 10)
        database.rewrite_tail(ledgers.dsn, charges)
        found = self._refreshes(ledgers, booking, "an unvacuumed tail")
        database.vacuum(ledgers.dsn)
        return {**found, "tail_rows": charges}

    def _refreshes(self, ledgers: Ledgers, booking: Booking, title: str) -> dict[str, Any]:
        say(f"  {title}: first load and {self._plan.refreshes} refreshes")
        self._settle()
        with booking.at(ledgers.rate):
            return self._refreshing.undisturbed(ledgers, COMPACT, self._plan.interval_seconds).figures()
