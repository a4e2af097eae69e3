"""Refreshes of a running exporter: waiting for them, and what they cost."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import click

from bench import agreement, exporters, statements
from bench.database import Ledgers, Server
from bench.errors import BenchError
from bench.exporters import OURS, Running
from bench.scraping import Watch, p50, p99
from bench.statements import Work


@dataclass(frozen=True)
class Plan:
    """How much is measured. Times bound what would take longer."""

    rows: tuple[int, ...] = (100_000, 1_000_000, 10_000_000)
    rate: int = 25_000
    rates: tuple[int, ...] = (250_000, 2_500_000)
    interval_seconds: float = 15.0
    refreshes: int = 8
    peer_refreshes: int = 5
    scrape_seconds: float = 5.0
    watch_seconds: float = 20.0
    patience_seconds: float = 300.0
    edits: int = 3
    edit_patience_seconds: float = 900.0
    quiet_seconds: float = 60.0
    updates_a_second: int = 10
    updates_seconds: float = 240.0
    cold_refreshes: int = 3
    late_hours: float = 1.0


@dataclass
class Refreshes:
    """What refreshes of one exporter on one ledger cost."""

    db_ms: list[float] = field(default_factory=list)
    wall_ms: list[float] = field(default_factory=list)
    temporary_bytes: list[int] = field(default_factory=list)
    first_today_seconds: float | None = None
    first_load_seconds: float | None = None
    first_load_db_ms: float | None = None
    first_load_scrapes: int = 0
    first_load_partial_scrapes: int = 0
    first_load_scrape_p99_ms: float | None = None
    rss_mb: float | None = None
    series: int | None = None
    scrapes: int = 0
    partial_scrapes: int = 0
    partial_example: str | None = None
    scrapes_during_refresh: int = 0
    scrape_p99_ms: float | None = None
    scrape_during_refresh_p99_ms: float | None = None

    def add(self, work: Work, wall_ms: float) -> None:
        """Note a refresh."""
        self.db_ms.append(work.ms)
        self.wall_ms.append(wall_ms)
        self.temporary_bytes.append(work.temporary_bytes)

    def note_first_load(self, watch: Watch) -> None:
        """Note what scrapes saw that were taken one after the other during the first load."""
        self.first_load_scrapes += len(watch.samples)
        self.first_load_partial_scrapes += len(watch.partial)
        self.first_load_scrape_p99_ms = _ms(p99([sample.seconds for sample in watch.samples]))

    def note_watch(self, watch: Watch, spans: list[tuple[float, float]]) -> None:
        """Note what scrapes saw that were taken one after the other; `spans` are the refreshes meanwhile."""
        during = watch.during(spans)
        self.scrapes, self.partial_scrapes = len(watch.samples), len(watch.partial)
        self.partial_example = watch.partial[len(watch.partial) // 2].problems[0] if watch.partial else None
        self.scrapes_during_refresh = len(during)
        self.scrape_p99_ms = _ms(p99([sample.seconds for sample in watch.samples]))
        self.scrape_during_refresh_p99_ms = _ms(p99([sample.seconds for sample in during]))

    def figures(self) -> dict[str, Any]:
        """All of it for JSON, with the medians."""
        return {
            "db_ms": p50(self.db_ms),
            "wall_ms": p50(self.wall_ms),
            "temporary_mb": (p50(self.temporary_bytes) or 0) / 1e6,
            "refreshes": len(self.db_ms),
            **{name: value for name, value in vars(self).items() if not isinstance(value, list)},
            "db_ms_each": [round(value, 3) for value in self.db_ms],
            "wall_ms_each": [round(value, 3) for value in self.wall_ms],
        }


def _ms(seconds: float | None) -> float | None:
    return None if seconds is None else seconds * 1000


def say(text: str) -> None:
    """Tell what is going on."""
    click.echo(f"{time.strftime('%H:%M:%S')}  {text}", err=True)


class Refreshing:
    """Waits for refreshes of running exporters, and notes what they cost."""

    def __init__(self, server: Server, plan: Plan) -> None:
        self._server = server
        self._plan = plan

    def undisturbed(self, ledgers: Ledgers, configuration: Mapping[str, Any], interval: float) -> Refreshes:
        """Measure the first load and refreshes of our exporter in a configuration."""
        result, position = Refreshes(), self._server.log.position()
        with exporters.running(OURS, ledgers, interval, configuration) as exporter:
            self.first_load(exporter, result, position)
            done = len(exporter.passes())
            self.await_passes(exporter, done + self._plan.refreshes)
            self.add_passes(exporter, result, position, done)
            self.finish(exporter, result)
        return result

    def first_load(self, exporter: Running, result: Refreshes, position: int) -> None:
        """Wait until an exporter answers everything, and note how long that took and cost."""
        deadline = exporter.started + exporters.FIRST_LOAD_SECONDS
        while time.time() < deadline:
            body = exporter.body()
            now = time.time() - exporter.started
            result.first_load_scrapes += 1
            result.first_load_partial_scrapes += bool(agreement.disagreements(agreement.sums(body), exporter.metrics))
            if result.first_today_seconds is None and exporters.knows_today(body):
                result.first_today_seconds = now
            if exporters.is_complete(body):
                done = self._server.log.since(position, exporter.role)
                result.first_load_seconds = now
                result.first_load_db_ms = statements.total(done).ms
                return
            time.sleep(exporters.POLL_SECONDS)
        raise BenchError(
            f"{exporter.name} did not answer everything in time; its log:\n{exporter.program.last_words()}"
        )

    def await_passes(self, exporter: Running, number: int) -> None:
        """Wait for so many refreshes since the start; when patience ends, for two at least."""
        began, least = time.monotonic(), len(exporter.passes()) + 2
        while (done := len(exporter.passes())) < number:
            if exporter.program.ended:
                raise BenchError(f"{exporter.name} has ended:\n{exporter.program.last_words()}")
            if done >= least and time.monotonic() - began > self._plan.patience_seconds:
                return
            time.sleep(0.2)

    def add_passes(self, exporter: Running, result: Refreshes, position: int, done: int) -> None:
        """Note the refreshes after the first `done`; there is one at least before them."""
        passes = exporter.passes()[max(0, done - 1) :]
        marks = [each.ended for each in passes]
        works = statements.by_marks(self._server.log.since(position, exporter.role), marks)
        for each, work in zip(passes[1:], works, strict=True):
            result.add(work, each.seconds * 1000)

    @staticmethod
    def finish(exporter: Running, result: Refreshes) -> None:
        """Note series and memory.

        Raises:
            BenchError: a ledger is down.
        """
        body = exporter.body()
        down = [labels for name, labels, value in agreement.samples(body) if name == "ledger_up" and value != 1]
        if down:
            raise BenchError(f"a ledger is down: {down}:\n{exporter.program.last_words()}")
        result.series, result.rss_mb = agreement.series(body), exporter.rss_mb()
