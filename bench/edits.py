"""How long an edit of an old charge takes to show: one row is updated, and scrapes are taken until one has it."""

from __future__ import annotations

import time
from collections.abc import Sequence
from decimal import Decimal
from random import Random
from statistics import median
from typing import Any

import psycopg

from bench import agreement
from bench.database import Ledgers
from bench.errors import BenchError
from bench.exporters import Running

POLL_SECONDS = 0.2
EDIT_USD = 100_000
"""By so much a charge rises, which no bookings of the benchmark come near."""

_SPEND = ("ledger_provider_spend_usd", "all")


def spend(body: bytes) -> float:
    """Return the spend of all time in an exposition.

    Raises:
        BenchError: it has none.
    """
    found = agreement.sums(body).get(_SPEND)
    if found is None:
        raise BenchError("the exposition has no spend of all time")
    return found


def edited(ledgers: Ledgers, exporter: Running, number: int, patience_seconds: float) -> list[float | None]:
    """Edit so many charges of random days before the last, each when the one before shows.

    Return the seconds until a scrape shows each. None stands for one that did not show in time, and ends the series. The
    connection stays open while the edit is waited for, as an application's does: the server counts its updates later then.
    """
    draw = Random(number)  # noqa: S311 - not for secrets
    oldest = max(1, ledgers.rows - ledgers.rate)
    seconds: list[float | None] = []
    with psycopg.connect(ledgers.dsn, autocommit=True) as connection:
        while len(seconds) < number and None not in seconds:
            before = spend(exporter.body())
            connection.execute(
                "update cost_ledger set cost_usd = cost_usd + %s"
                " where id = (select id from cost_ledger where id >= %s order by id limit 1)",
                [Decimal(EDIT_USD), draw.randint(1, oldest)],
            )
            seconds.append(_seconds_until(exporter, before + EDIT_USD, patience_seconds))
    return seconds


def _seconds_until(exporter: Running, wanted_usd: float, patience_seconds: float) -> float | None:
    """Scrape until the spend of all time is as large; None where that takes too long."""
    began = time.monotonic()
    while (now := time.monotonic()) < began + patience_seconds:
        if spend(exporter.body()) >= wanted_usd - agreement.TOLERANCE:
            return time.monotonic() - began
        time.sleep(max(0.0, POLL_SECONDS - (time.monotonic() - now)))
    return None


def figures(seconds: Sequence[float | None], patience_seconds: float) -> dict[str, Any]:
    """Return the median and the longest time. One that did not show counts with the time it was waited for."""
    counted = [patience_seconds if each is None else each for each in seconds]
    return {
        "edits": len(seconds),
        "shown": len(seconds) - list(seconds).count(None),
        "p50_seconds": median(counted),
        "longest_seconds": max(counted),
        "seconds_each": list(seconds),
    }
