"""A platform that keeps booking, and a witness of every scrape while things break.

Each booking is one transaction that adds one dollar to each of the three ledgers. So whatever happens, a scrape is right
only if all ledgers that are up are as many bookings old, and that number was once the truth.
"""

from __future__ import annotations

import math
import re
import threading
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

import psycopg

from tests.support.exporter_process import DEADLINE_SECONDS, Exporter

LEDGERS = ("cost", "impact", "budget")

BOOKING = """
insert into cost_ledger (id, created_at, provider, model, quest_id, tokens_in, cost_usd)
values ({id}, now(), 'codex-mini', 'model-1', 'quest-1', 10, 1);
insert into impact_ledger (id, created_at, task_id, quest_id, layer, total_tokens, cost_usd, impact_score)
values ({id}, now(), 'task-b{id}', 'quest-1', 'Forge', 10, 1, 0.75);
update quest_budget_allocations set allocated_usd = allocated_usd + 1
where quest_id = 'quest-1' and day = (select max(day) from quest_budget_allocations where quest_id = 'quest-1');
"""

TOTALS = {
    "cost": "ledger_provider_spend_usd",
    "impact": "ledger_impact_cost_usd",
    "budget": "ledger_quest_allocated_usd",
}
"""A metric of each ledger whose sum over the window `all` grows by one with each booking."""

_SAMPLE = re.compile(r"^(ledger_\w+)\{([^}]*)\} (\S+)$", re.MULTILINE)


@dataclass(frozen=True)
class Glance:
    """A scrape as the witness sees it: which ledgers are up, and how many bookings each knows of, if it is known."""

    up: dict[str, bool]
    bookings: dict[str, int]


class Platform:
    """Books all the time, and knows how many bookings there are; a database that is away is waited for."""

    def __init__(self, dsn: str) -> None:
        self.dsn = dsn
        self.booked = 0
        self._resting = threading.Event()
        self._rests = threading.Event()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._stop.set()
        self._thread.join(DEADLINE_SECONDS)

    def rest(self) -> None:
        """Book nothing more; return when nothing is under way."""
        self._resting.set()
        assert self._rests.wait(DEADLINE_SECONDS), "the platform does not come to rest"

    def go_on(self) -> None:
        """Book again."""
        self._rests.clear()
        self._resting.clear()

    def _run(self) -> None:
        while not self._stop.wait(0.02):
            try:
                with psycopg.connect(self.dsn, autocommit=True) as connection:
                    self._book(connection)
            except psycopg.Error:
                if self._resting.is_set():
                    self._rests.set()

    def _book(self, connection: psycopg.Connection[Any]) -> None:
        while not self._stop.wait(0.02):
            if self._resting.is_set():
                self._rests.set()
                continue
            number = self.booked + 1
            with connection.transaction():
                connection.execute(BOOKING.format(id=1000 + number).encode())
                self.booked = number  # before anybody can see it


class Witness:
    """Scrapes all the time, and objects to what can not be true."""

    def __init__(self, exporter: Exporter, platform: Platform) -> None:
        self._exporter = exporter
        self._platform = platform
        self._base: dict[str, float] = {}
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self.objections: list[str] = []
        self.scrapes = 0

    def __enter__(self) -> Self:
        self._base = _totals(self._exporter.ask("/metrics").text)
        assert self._base.keys() == {*LEDGERS}
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._stop.set()
        self._thread.join(DEADLINE_SECONDS)

    def _run(self) -> None:
        highest = dict.fromkeys(LEDGERS, 0)
        while not self._stop.wait(0.02):
            try:
                text = self._exporter.ask("/metrics").text
                glance = self._glance(text)
                self._object(glance, highest)
            except Exception as error:  # noqa: BLE001 - a scrape that is not answered is what this is about
                self.objections.append(f"not answered: {error!r}")
            self.scrapes += 1

    def _glance(self, text: str) -> Glance:
        totals = _totals(text)
        counted = {ledger: round(total - self._base[ledger]) for ledger, total in totals.items()}
        up = {ledger: f'ledger_up{{ledger="{ledger}"}} 1.0' in text for ledger in LEDGERS}
        return Glance(up, counted)

    def _object(self, glance: Glance, highest: dict[str, int]) -> None:
        limit = self._platform.booked
        together = {glance.bookings[ledger] for ledger in LEDGERS if glance.up[ledger] and ledger in glance.bookings}
        if len(together) > 1:
            self.objections.append(f"mixed: {glance}")
        self.objections += [
            f"{ledger} is up and empty" for ledger in LEDGERS if glance.up[ledger] and ledger not in glance.bookings
        ]
        for ledger, bookings in glance.bookings.items():
            if not 0 <= bookings <= limit:
                self.objections.append(f"{ledger} knows of {bookings} bookings of {limit}")
            if bookings < highest[ledger]:
                self.objections.append(f"{ledger} knew of {highest[ledger]} bookings, now of {bookings}")
            highest[ledger] = bookings


def _totals(text: str) -> dict[str, float]:
    """The dollars in each ledger, as far as a scrape tells."""
    found: dict[str, list[float]] = {}
    for name, labels, value in _SAMPLE.findall(text):
        for ledger, metric in TOTALS.items():
            if name == metric and 'window="all"' in labels:
                found.setdefault(ledger, []).append(float(value))
    return {ledger: math.fsum(values) for ledger, values in found.items()}
