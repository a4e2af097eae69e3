"""The platform's present: what it does from now on, booked as it happens.

What the platform does in a day is known beforehand; a `Booking` plays it. A model call is booked in pieces of a fraction of a
cent as it streams, so that something happens every second while the money stays that of an ordinary day. Where booking has
rested (the database was away, the machine asleep), it catches up.
"""

from __future__ import annotations

import heapq
import logging
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import count
from typing import TYPE_CHECKING, Any, NamedTuple

import psycopg

from exporter.demo.history import copy, script
from exporter.demo.models import MICRO
from exporter.demo.platform import Platform, midnight
from exporter.demo.rows import ALLOCATION_COLUMNS, CHARGE_COLUMNS, OUTCOME_COLUMNS, Allocation, Charge, Outcome, Task

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from threading import Event

TICK_SECONDS = 1.0
RETRY_SECONDS = 2.0
RECORD_EVERY = timedelta(seconds=15)
BATCH = timedelta(hours=1)
PIECE_USD = Decimal("0.0015")
FIRST_CALL = timedelta(seconds=30)
SCORED_WITHIN_DAYS = 4  # no outcome is scored later than this after its task began

log = logging.getLogger(__name__)


@dataclass
class Batch:
    """What has happened on the platform since the last booking, a list a ledger."""

    charges: list[Charge] = field(default_factory=list)
    outcomes: list[Outcome] = field(default_factory=list)
    scored: list[Outcome] = field(default_factory=list)
    allocations: list[Allocation] = field(default_factory=list)


class Call(NamedTuple):
    """A model call that streams from an instant on until its charge is complete."""

    charge: Charge
    since: datetime

    def pieces(self) -> Iterator[Charge]:
        """The charge in equal pieces of about PIECE_USD, spread over the time it streams; they add up to it exactly."""
        charge = self.charge
        number = max(1, round(charge.cost_usd / PIECE_USD))
        cost_usd = (charge.cost_usd / number).quantize(MICRO)
        tokens_in = charge.tokens_in and charge.tokens_in // number
        tokens_out = charge.tokens_out and charge.tokens_out // number
        for left in range(number - 1, 0, -1):
            at = charge.created_at - (charge.created_at - self.since) * left / number
            yield charge._replace(created_at=at, tokens_in=tokens_in, tokens_out=tokens_out, cost_usd=cost_usd)
        yield charge._replace(
            tokens_in=charge.tokens_in and charge.tokens_in - (tokens_in or 0) * (number - 1),
            tokens_out=charge.tokens_out and charge.tokens_out - (tokens_out or 0) * (number - 1),
            cost_usd=charge.cost_usd - cost_usd * (number - 1),
        )


class Agenda:
    """Everything the platform will do after an instant, in order of time."""

    def __init__(self, platform: Platform, after: datetime) -> None:
        self.platform = platform
        self.after = after
        self._day = after.date()
        self._order = count()
        self._events: list[tuple[datetime, int, Call | Charge | Outcome]] = []
        for ago in range(SCORED_WITHIN_DAYS, -1, -1):
            self._plan(platform.tasks(self._day - timedelta(days=ago)))

    def until(self, now: datetime) -> Batch:
        """Take what happens up to `now`."""
        batch = Batch()
        while self._day < now.date():
            self._day += timedelta(days=1)
            batch.allocations += self.platform.allocations(self._day)
            self._plan(self.platform.tasks(self._day))
        while self._events and self._events[0][0] <= now:
            at, _, event = heapq.heappop(self._events)
            if isinstance(event, Call):
                for piece in event.pieces():
                    self._add(piece.created_at, piece)
            elif isinstance(event, Charge):
                batch.charges.append(event)
            elif at == event.created_at:
                batch.outcomes.append(event)
            else:
                batch.scored.append(event)
        self.after = max(self.after, now)
        return batch

    def _plan(self, tasks: list[Task]) -> None:
        for task in tasks:
            last = task.charges[0].created_at - FIRST_CALL
            for charge in task.charges:
                since = min(last, charge.created_at)
                if charge.created_at > self.after:
                    self._push(since, Call(charge, since))
                last = max(last, charge.created_at)
            if task.outcome:
                self._add(task.outcome.created_at, task.outcome)
                if task.outcome.scored_at:
                    self._add(task.outcome.scored_at, task.outcome)

    def _add(self, at: datetime, event: Charge | Outcome) -> None:
        if at > self.after:
            self._push(at, event)

    def _push(self, at: datetime, event: Call | Charge | Outcome) -> None:
        heapq.heappush(self._events, (at, next(self._order), event))


class Booking:
    """Books what the platform does after an instant into the ledgers behind `dsn`, until told to stop."""

    def __init__(
        self, dsn: str, platform: Platform, after: datetime, clock: Callable[[], datetime] = lambda: datetime.now(UTC)
    ) -> None:
        self.dsn = dsn
        self.clock = clock
        self.agenda = Agenda(platform, after)
        self._recorded_at = after
        self._connection: psycopg.Connection[Any] | None = None
        self._unbooked: list[Batch] = []

    def run(self, stop: Event) -> None:
        """Book once a second until `stop` is set; a database that is away is waited for."""
        wait = TICK_SECONDS
        while not stop.wait(wait):
            try:
                self.book(self.clock())
                wait = TICK_SECONDS
            except psycopg.Error as error:
                log.warning("booking waits for its database: %s", str(error).strip())
                self.close()
                wait = RETRY_SECONDS
            except Exception:  # whatever it was: a demo whose bookings have silently ended shows nothing
                log.exception("booking failed unexpectedly; it is tried again")
                self.close()
                wait = RETRY_SECONDS
        self.close()

    def book(self, now: datetime) -> None:
        """Book everything that has happened up to `now`; what fails is kept for the next call.

        Raises psycopg.Error where the database does not take it.
        """
        while self.agenda.after < now:
            self._unbooked.append(self.agenda.until(min(now, self.agenda.after + BATCH)))
        if self._connection is None or self._connection.closed:
            self._connection = psycopg.connect(self.dsn, autocommit=True, application_name="ledger-exporter demo")
        while self._unbooked:
            with self._connection.transaction(), self._connection.cursor() as cursor:
                _write(cursor, self._unbooked[0])
            self._unbooked.pop(0)
        if now - self._recorded_at >= RECORD_EVERY:
            self._record_spend(now)

    def close(self) -> None:
        """Let go of the database; the next booking connects anew."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _record_spend(self, now: datetime) -> None:
        """Bring the budget ledger's own figures up to date: today's, and at a day's end once more the past day's."""
        assert self._connection is not None  # noqa: S101  for the type checker: book() has connected
        day = midnight(self._recorded_at.date())
        while day <= now:
            self._connection.execute(script("sql/record_spend.sql").encode(), {"start": day})
            day += timedelta(days=1)
        self._recorded_at = now


def _write(cursor: psycopg.Cursor[Any], batch: Batch) -> None:
    """Write a batch to the three ledgers."""
    if batch.allocations:
        copy(cursor, "quest_budget_allocations", ALLOCATION_COLUMNS, batch.allocations)
    if batch.charges:
        copy(cursor, "cost_ledger", CHARGE_COLUMNS, batch.charges)
    if batch.outcomes:
        rows = (outcome.row(outcome.created_at) for outcome in batch.outcomes)
        copy(cursor, "impact_ledger", OUTCOME_COLUMNS, rows)
    if batch.scored:
        cursor.executemany(
            "update impact_ledger set impact_score = %s, updated_at = %s where task_id = %s and impact_score is null",
            [(outcome.impact_score, outcome.scored_at, outcome.task_id) for outcome in batch.scored],
        )
