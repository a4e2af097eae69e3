"""Rows that arrive late, in a ledger whose ids have no order: which of them are missing a minute after they were booked.

The clock is simulated. Calls, bookings and refreshes happen at instants of one past hour, as fast as the machine can do them;
our own refresher is told the time. Rows and server are real. The server's counts lag in real time, so that they arrive later
here than they do in an hour that passes.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

import psycopg

from bench.questions import script
from exporter import config_file, views
from exporter.app import open_sources
from exporter.demo import history
from exporter.publishing.builder import Published
from exporter.refresher import Refresher

CALLS_A_SECOND = 50
BATCH_SECONDS = 10
REFRESH_SECONDS = 15
_REFRESH_OFFSET = 7
"""Refreshes are not in step with bookings."""
MEDIAN_SECONDS, SIGMA, LONGEST_SECONDS = 10.0, 1.0, 240.0
"""Durations are log-normal: one call in a hundred takes longer than 100 s."""
GRACE_SECONDS = 60
"""After this long a row that was booked must show."""
OUTAGE_SECONDS = 600
_VACUUM_SECONDS = 60
"""How often the ledger is vacuumed and analysed, as autovacuum would do where rows keep coming."""
_QUEST_SECONDS = 60
"""All rows booked within such a time have a quest of their own, whose number of rows is then known exactly."""


@dataclass(frozen=True)
class Call:
    """A call: when it began and when it was booked, in seconds of the simulated hour."""

    began: float
    booked: int


def calls(seconds: int, outage: tuple[int, int] | None = None) -> Iterator[Call]:
    """Yield the calls that begin within so many seconds, and when each is booked.

    During an outage, from the one second to the other, nothing is booked; then everything that has waited.
    """
    draw = Random(0)  # noqa: S311 - not for secrets
    for number in range(seconds * CALLS_A_SECOND):
        began = number / CALLS_A_SECOND
        ended = began + min(LONGEST_SECONDS, draw.lognormvariate(math.log(MEDIAN_SECONDS), SIGMA))
        booked = BATCH_SECONDS * math.ceil(ended / BATCH_SECONDS)
        if outage and outage[0] <= booked < outage[1]:
            booked = BATCH_SECONDS * math.ceil(outage[1] / BATCH_SECONDS)
        yield Call(began, booked)


def quest(booked: int) -> str:
    """Name the quest of the rows that are booked at a second: it tells when."""
    return f"booked-{booked // _QUEST_SECONDS:04d}"


def missing(due: Mapping[str, int], shown: Mapping[str, int], second: int) -> int:
    """Count the rows booked a minute or more before a second that do not show.

    `due` and `shown` are numbers of rows by quest. A quest counts once the last of its rows is so old.
    """
    return sum(
        max(0, rows - shown.get(name, 0))
        for name, rows in due.items()
        if (int(name.removeprefix("booked-")) + 1) * _QUEST_SECONDS + GRACE_SECONDS <= second
    )


def measure(dsn: str, hours: float, *, outage: bool) -> dict[str, Any]:
    """Book calls for a simulated time, and refresh; `dsn` is of an empty database.

    The last refresh is a minute after the last booking at the latest.
    """
    seconds = int(hours * 3600)
    gap = (seconds // 3, seconds // 3 + OUTAGE_SECONDS) if outage else None
    batches: dict[int, list[Call]] = {}
    for call in calls(seconds, gap):
        batches.setdefault(call.booked, []).append(call)
    last = max(batches)
    zero = datetime.now(UTC) - timedelta(seconds=last + GRACE_SECONDS)
    configuration = config_file.parse(_configuration(dsn))
    sources = open_sources(configuration)
    due: dict[str, int] = {}
    most = refreshes = left = 0
    try:
        with psycopg.connect(dsn, autocommit=True) as connection:
            connection.execute(history.script("schema.sql").encode())
            connection.execute(script("calls").encode())
            refresher = Refresher.new(configuration, sources)
            for second in range(last + GRACE_SECONDS + 1):
                if batch := batches.get(second):
                    _book(connection, batch, zero)
                    due[quest(second)] = due.get(quest(second), 0) + len(batch)
                if second % _VACUUM_SECONDS == 0:
                    connection.execute("vacuum (analyze) calls")
                if second % REFRESH_SECONDS == _REFRESH_OFFSET:
                    now = zero + timedelta(seconds=second)
                    shown = _rows(refresher.run(now))
                    while refresher.is_loading:
                        refresher.load(now, 1.0)
                        shown = _rows(refresher.run(now))
                    refresher.verify()
                    left = sum(due.values()) - sum(shown.values())
                    most = max(most, missing(due, shown, second))
                    refreshes += 1
    finally:
        for source in sources.values():
            source.close()
    return {"outage": outage, "rows": sum(due.values()), "refreshes": refreshes, "missing": left, "most_missing": most}


def _book(connection: psycopg.Connection[Any], batch: list[Call], zero: datetime) -> None:
    """Insert a batch in one transaction, with ids that have no order."""
    with connection.cursor().copy("copy calls (id, created_at, quest_id, cost_usd) from stdin") as copy:
        for call in batch:
            name = f"{Random(call.began).getrandbits(128):032x}"  # noqa: S311 - not for secrets
            copy.write_row((name, zero + timedelta(seconds=call.began), quest(call.booked), 1))


def _rows(published: Published) -> dict[str, int]:
    """Return how many rows show, by quest: each costs a dollar."""
    for family in views.families(published.snapshot):
        if family.name == "ledger_quest_spend_usd":
            by_label = [(dict(zip(family.labels, values, strict=True)), usd) for values, usd in family.samples.items()]
            return {labels["quest"]: round(usd) for labels, usd in by_label if labels["window"] == "all"}
    return {}


def _configuration(dsn: str) -> str:
    """Return the configuration, which is YAML as well as JSON."""
    columns = {"provider": "'one'", "model": None, "task_id": None, "tokens_in": "0", "tokens_out": None}
    cost = {"source": "main", "relation": "calls", "columns": columns}
    return json.dumps(
        {
            "sources": {"main": {"dsn": dsn}},
            "ledgers": {"cost": cost, "impact": {"source": "main"}, "budget": {"source": "main"}},
        }
    )
