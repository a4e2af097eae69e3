"""What is measured: refreshes on a ledger of some size, and scrapes of an exposition of some size."""

from __future__ import annotations

import gzip
import math
import os
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg

from bench import agreement, answers, exporters, lateness, questions, scraping, statements, tools
from bench.booking import Booking
from bench.conditions import Conditions
from bench.database import DAY_SECONDS, Ledgers, Server
from bench.errors import BenchError
from bench.exporters import OURS, PEERS, Running
from bench.refreshing import Plan, Refreshes, Refreshing, say
from bench.statements import Work
from exporter.demo import history
from exporter.demo.platform import Platform

QUESTS = 15
"""Quests of an ordinary ledger: with them the six questions have 280 answers."""
WIDE_QUESTS = 860
"""Quests with which they have about 10,000."""

FAST_BOOKING = 50 * DAY_SECONDS
"""Rows a day while scrapes are checked: fifty a second, so that answers of different instants differ."""

REST_SECONDS = 0.4
"""A peer that asks nothing for so long has ended its refresh."""


_MAX_REST_SECONDS = 5.0
"""How long a peer rests between refreshes at most."""

_REFRESHES_BY_SECONDS = ((5.0, 5), (20.0, 3), (60.0, 2))
"""How many refreshes of a peer are measured where one takes less than so many seconds; else one."""


class Bench:
    """The measurements on one server."""

    def __init__(self, server: Server, plan: Plan) -> None:
        self._server = server
        self._plan = plan
        self._refreshing = Refreshing(server, plan)
        self._busy: list[float] = []
        self.conditions = Conditions(server, plan, QUESTS, self.settle)
        for role in exporters.ROLES.values():
            server.create_role(role)

    def settle(self) -> None:
        """Find out whether the machine is quiet, while nothing of the benchmark works."""
        self._busy.append(tools.busy_share())

    def take_busy(self) -> list[float]:
        """Return which share of the machine was at work, 0 to 1, each time nothing of the benchmark was since the last call."""
        busy, self._busy = self._busy, []
        return busy

    def refreshes(self, rows: int, rate: int, *, peers: bool) -> dict[str, Any]:
        """Measure refreshes on a ledger of so many rows, booked at so many a day: in two configurations, and the peers'."""
        say(f"{rows:,} rows at {rate:,} a day: filling")
        with self._server.ledgers(rows, rate, QUESTS) as ledgers:
            booking = Booking(ledgers)
            few = self._ours(ledgers, booking, exporters.FEW, 1)
            found = {OURS: self._ours(ledgers, booking, exporters.COMPACT, self._plan.interval_seconds).figures()}
            found[f"{OURS}, few series"] = few.figures()
            found[f"{OURS}, default"] = self._ours_watched(ledgers, booking).figures()
            if peers:
                # The first time warms the server up for all of them, the second is the measure for their intervals.
                questions.ask_all(ledgers.dsn)
                began = time.monotonic()
                questions.ask_all(ledgers.dsn)
                asking_seconds = time.monotonic() - began
                for peer in PEERS:
                    found[peer] = self._peer(peer, ledgers, booking, asking_seconds).figures()
            return {
                "rows": rows,
                "rate": rate,
                "tasks": rows // 8,
                "fill_seconds": ledgers.fill_seconds,
                "exporters": found,
            }

    def _ours(self, ledgers: Ledgers, booking: Booking, configuration: Mapping[str, Any], interval: float) -> Refreshes:
        """First load and refreshes in a configuration, undisturbed."""
        say(f"  {OURS}: first load and {self._plan.refreshes} refreshes")
        self.settle()
        with booking.at(ledgers.rate):
            return self._refreshing.undisturbed(ledgers, configuration, interval)

    def _ours_watched(self, ledgers: Ledgers, booking: Booking) -> Refreshes:
        """Refreshes in the default configuration each second, first undisturbed, then under scrapes and fast bookings."""
        say(f"  {OURS}, default configuration: refreshes, then scrapes while it refreshes")
        self.settle()
        result, position = Refreshes(), self._server.log.position()
        with exporters.running(OURS, ledgers, 1, exporters.DEFAULT) as exporter:
            with booking.at(ledgers.rate):
                with scraping.watching(exporters.HOST, exporter.port, exporter.metrics) as watch:
                    self._refreshing.first_load(exporter, result, position)
                result.note_first_load(watch)
                done = len(exporter.passes())
                self._refreshing.await_passes(exporter, done + self._plan.refreshes)
                self._refreshing.add_passes(exporter, result, position, done)
            self._refreshing.finish(exporter, result)
            done = len(exporter.passes())
            with booking.at(FAST_BOOKING), scraping.watching(exporters.HOST, exporter.port, exporter.metrics) as watch:
                time.sleep(self._plan.watch_seconds)
                self._refreshing.await_passes(exporter, done + 3)
            result.note_watch(watch, [(each.began, each.ended) for each in exporter.passes()])
        return result

    def _peer(self, name: str, ledgers: Ledgers, booking: Booking, asking_seconds: float) -> Refreshes:
        """Refreshes of a peer with rests between them, first undisturbed, then under scrapes and fast bookings."""
        rest = math.ceil(1 + min(asking_seconds / 2, _MAX_REST_SECONDS))
        # query-exporter begins a refresh every so often, the others rest so long after one.
        interval = rest + math.ceil(asking_seconds) if name == exporters.QUERY_EXPORTER else rest
        wanted = next((number for seconds, number in _REFRESHES_BY_SECONDS if asking_seconds < seconds), 1)
        number = min(self._plan.peer_refreshes, wanted)
        say(f"  {name}: {number} refreshes, then scrapes while it refreshes")
        self.settle()
        result, position = Refreshes(), self._server.log.position()
        with exporters.running(name, ledgers, interval) as exporter:
            with booking.at(ledgers.rate):
                self._refreshing.first_load(exporter, result, position)
                works = self._await_works(exporter, position, number + 1)
            for work in works[1:]:  # the first one connects, and was noted as the first load
                result.add(work, work.span_seconds * 1000)
            body = exporter.body()
            result.series, result.rss_mb = agreement.series(body), exporter.rss_mb()
            position, cycle = self._server.log.position(), rest + asking_seconds
            with booking.at(FAST_BOOKING), scraping.watching(exporters.HOST, exporter.port, exporter.metrics) as watch:
                time.sleep(max(self._plan.watch_seconds / 2, min(2.5 * cycle, cycle + _MAX_REST_SECONDS)))
            works = statements.by_rests(self._server.log.since(position, exporter.role), REST_SECONDS)
            result.note_watch(watch, [(work.began, work.ended) for work in works])
        return result

    def _await_works(self, exporter: Running, position: int, number: int) -> list[Work]:
        """Wait for so many refreshes of a peer since a position in the server's log, the last of them ended."""
        deadline = time.monotonic() + exporters.FIRST_LOAD_SECONDS
        while time.monotonic() < deadline:
            works = statements.by_rests(self._server.log.since(position, exporter.role), REST_SECONDS)
            if len(works) > number:
                return works[:number]
            if exporter.program.ended:
                raise BenchError(f"{exporter.name} has ended:\n{exporter.program.last_words()}")
            time.sleep(0.1)
        raise BenchError(f"{exporter.name} did not refresh {number} times in time")

    def small_scrapes(self) -> dict[str, Any]:
        """Measure scrapes of about 300 series: ours come from a ledger with one quest, the peers' from one with fifteen."""
        with (
            self._server.ledgers(20_000, 5_000, 1) as small,
            self._server.ledgers(20_000, 5_000, QUESTS) as ledgers,
        ):
            return self._compare_scrapes("about 300 series", small, exporters.SMALL, ledgers)

    def wide_scrapes(self) -> dict[str, Any]:
        """Measure scrapes of about 10,000 series, all from the same ledger."""
        with self._server.ledgers(100_000, 25_000, WIDE_QUESTS) as ledgers:
            say("about 10,000 series: finding the number of quests")
            configuration = _wide_configuration(ledgers, 10_000)
            return self._compare_scrapes("about 10,000 series", ledgers, configuration, ledgers)

    def demo_scrapes(self) -> dict[str, Any]:
        """Measure scrapes of the demo's exposition, which no peer has."""
        with self._server.database() as dsn:
            say("the demo's exposition: filling")
            _fill_demo(dsn)
            return self._compare_scrapes("the demo's exposition", Ledgers(dsn, 0, 0, 0, 0), exporters.DEFAULT, None)

    def _compare_scrapes(
        self, title: str, ledgers: Ledgers, settings: Mapping[str, Any], peers_ledgers: Ledgers | None
    ) -> dict[str, Any]:
        results: dict[str, Any] = {}
        bodies: dict[str, bytes] = {}
        on = {OURS: ledgers, **(dict.fromkeys(PEERS, peers_ledgers) if peers_ledgers else {})}
        for name, its_ledgers in on.items():
            say(f"{title}: scraping {name}")
            self.settle()
            with exporters.running(name, its_ledgers, exporters.NEVER_SECONDS, settings) as exporter:
                bodies[name] = self._quiet_body(exporter)
                results[name] = self._scrape(exporter, bodies[name])
        say(f"{title}: scraping nginx")
        self.settle()
        files = {"metrics": bodies[OURS], "metrics.gz": gzip.compress(bodies[OURS], 6)}
        with exporters.nginx(files) as server:
            results["nginx"] = self._scrape(server, bodies[OURS])
        return {"title": title, "exporters": results}

    def _quiet_body(self, exporter: Running) -> bytes:
        """Wait until an exporter answers everything and asks the database nothing more."""
        deadline = time.monotonic() + 120
        while not exporters.is_complete(exporter.body()):
            if time.monotonic() > deadline:
                raise BenchError(f"{exporter.name} does not answer everything:\n{exporter.program.last_words()}")
            time.sleep(exporters.POLL_SECONDS)
        position = -1
        while position != (position := self._server.log.position()) and time.monotonic() < deadline:
            time.sleep(1)
        return exporter.body()

    def _scrape(self, exporter: Running, body: bytes) -> dict[str, Any]:
        seconds = self._plan.scrape_seconds
        with scraping.Client(exporters.HOST, exporter.port, exporter.path, gzip=True) as client:
            compressed = client.get()
            encoding = client.encoding
        rss_mb = exporter.rss_mb()
        plain = scraping.wrk(exporter.url, seconds)
        zipped = scraping.wrk(exporter.url, seconds, gzip=True) if encoding == "gzip" else None
        cores = sorted(os.sched_getaffinity(0))
        many = None
        if len(cores) > 1:
            for pid in _family(exporter.program.process.pid):
                tools.pin(pid, {cores[0]})
            many = scraping.wrk(exporter.url, seconds, connections=8, core=cores[1])
        return {
            "series": agreement.series(body),
            "bytes": len(body),
            "gzip_bytes": len(compressed) if zipped else None,
            "p50_ms": plain.p50_ms,
            "p99_ms": plain.p99_ms,
            "gzip_p50_ms": zipped.p50_ms if zipped else None,
            "gzip_p99_ms": zipped.p99_ms if zipped else None,
            "per_second_one_core": many.per_second if many else None,
            "rss_mb": rss_mb,
        }

    def lateness(self, *, outage: bool) -> dict[str, Any]:
        """Count rows that are missing a minute after they were booked, by a simulated clock."""
        say(f"late rows, {'with' if outage else 'without'} an outage: {self._plan.late_hours:g} simulated hours")
        with self._server.database() as dsn:
            return lateness.measure(dsn, self._plan.late_hours, outage=outage)

    def answers(self) -> dict[str, list[str]]:
        """Compare what all answer to the same questions on the same ledgers; what differs, by peer."""
        with self._server.ledgers(100_000, 25_000, QUESTS) as ledgers:
            found: dict[str, dict[tuple[str, ...], float]] = {}
            for name in (OURS, *PEERS):
                say(f"comparing answers: {name}")
                with exporters.running(name, ledgers, exporters.NEVER_SECONDS) as exporter:
                    found[name] = answers.of(self._quiet_body(exporter))
        return {peer: answers.differences(found[OURS], found[peer]) for peer in PEERS}


def _wide_configuration(ledgers: Ledgers, series: int) -> dict[str, Any]:
    """Find the configuration that publishes about so many series: their number is a line over the number of quests."""

    def configuration(quests: int) -> dict[str, Any]:
        return {**exporters.WIDE, "limits": {"quests": quests, "combinations": 50_000, "series": 400_000}}

    def count(quests: int) -> int:
        with exporters.running(OURS, ledgers, exporters.NEVER_SECONDS, configuration(quests)) as exporter:
            deadline = time.monotonic() + 120
            while not exporters.is_complete(body := exporter.body()) and time.monotonic() < deadline:
                time.sleep(exporters.POLL_SECONDS)
            return agreement.series(body)

    few, many = 20, 120
    slope = (count(many) - count(few)) / (many - few)
    return configuration(max(1, round(many + (series - count(many)) / slope)))


def _fill_demo(dsn: str) -> None:
    """Fill a database with the demo's history."""
    with psycopg.connect(dsn, autocommit=True) as connection:
        history.is_loaded(connection)
        history.load(connection, Platform(), datetime.now(UTC))


def _family(pid: int) -> list[int]:
    """A process and its child processes; nginx has one that does the work."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text("ascii")
    return [pid, *map(int, children.split())]
