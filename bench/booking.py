"""The platform that keeps booking while others measure."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Event, Thread

import psycopg

from bench.database import DAY_SECONDS, Ledgers, book

TICK_SECONDS = 0.05


class Booking:
    """Books into ledgers, a transaction a tick; numbers go on where a booking before ended."""

    def __init__(self, ledgers: Ledgers) -> None:
        self._ledgers = ledgers
        self.booked = 0

    @contextmanager
    def at(self, rate: int) -> Iterator[None]:
        """Book at `rate` rows a day while the context lasts."""
        stop = Event()
        failures: list[psycopg.Error] = []
        thread = Thread(target=self._run, args=[rate, stop, failures], name="booking", daemon=True)
        thread.start()
        try:
            yield
        finally:
            stop.set()
            thread.join()
        if failures:
            raise failures[0]

    def _run(self, rate: int, stop: Event, failures: list[psycopg.Error]) -> None:
        begun_at, began = self.booked, time.monotonic()
        try:
            with psycopg.connect(self._ledgers.dsn, autocommit=True) as connection:
                while not stop.wait(TICK_SECONDS):
                    due = begun_at + int((time.monotonic() - began) * rate / DAY_SECONDS) - self.booked
                    if due > 0:
                        with connection.transaction():
                            book(connection, self._ledgers.rows + self.booked, due, rate, self._ledgers.quests)
                        self.booked += due
        except psycopg.Error as error:
            failures.append(error)
