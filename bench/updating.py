"""An application that keeps updating a column which no figure is made of, and what an exporter does meanwhile."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from random import Random
from threading import Event, Thread

import psycopg

from bench import statements
from bench.database import Ledgers, Server
from bench.exporters import Running

TICK_SECONDS = 1.0


@dataclass(frozen=True)
class Effort:
    """Which share of one core an exporter and the server's work for it took over some time, 0 to 1."""

    exporter: float
    server: float
    refreshes: int


def prepare(ledgers: Ledgers) -> None:
    """Add the column that no figure is made of."""
    with psycopg.connect(ledgers.dsn, autocommit=True) as connection:
        connection.execute("alter table cost_ledger add column note text")


@contextmanager
def updates(ledgers: Ledgers, a_second: int) -> Iterator[None]:
    """Update so many random charges a second while the context lasts, in one transaction a second."""
    stop = Event()
    failures: list[psycopg.Error] = []
    thread = Thread(target=_run, args=[ledgers, a_second, stop, failures], name="updating", daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()
    if failures:
        raise failures[0]


def _run(ledgers: Ledgers, a_second: int, stop: Event, failures: list[psycopg.Error]) -> None:
    draw = Random(0)  # noqa: S311 - not for secrets
    try:
        with psycopg.connect(ledgers.dsn, autocommit=True) as connection:
            while not stop.wait(TICK_SECONDS):
                ids = [draw.randint(1, ledgers.rows) for _ in range(a_second)]
                connection.execute("update cost_ledger set note = clock_timestamp()::text where id = any(%s)", [ids])
    except psycopg.Error as error:
        failures.append(error)


def effort(server: Server, exporter: Running, seconds: float) -> Effort:
    """Return what an exporter takes during the next seconds."""
    position, passes = server.log.position(), len(exporter.passes())
    began, worked = time.monotonic(), exporter.cpu_seconds()
    time.sleep(seconds)
    lasted = time.monotonic() - began
    done = server.log.since(position, exporter.role)
    return Effort(
        exporter=(exporter.cpu_seconds() - worked) / lasted,
        server=(statements.total(done).ms / 1000 if done else 0.0) / lasted,
        refreshes=len(exporter.passes()) - passes,
    )
