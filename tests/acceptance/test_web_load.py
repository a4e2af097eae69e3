"""Load: many scrapers at once, and clients that mean no good. Memory and descriptors stay bounded, scrapes stay quick."""

from __future__ import annotations

import asyncio
import http.client
import os
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Self

import pytest

from exporter.web.server import MAX_CONNECTIONS
from tests.support.exporter_process import DEADLINE_SECONDS, Exporter, beside, eventually, outcome
from tests.support.flood import NUMBERS
from tests.support.ledgers import configure

pytestmark = pytest.mark.slow

SCRAPERS = 500
SECONDS = float(os.environ.get("SCRAPE_SECONDS", "3"))
"""How long each measurement takes."""
SLOWEST_SECONDS = float(os.environ.get("SLOWEST_SCRAPE_SECONDS", "10"))
"""What 99 of 100 scrapes have to stay below; 0.05 on a machine that does nothing else. See docs/reliability.md."""
MOST_DESCRIPTORS = MAX_CONNECTIONS + 100
MEGABYTE = 1 << 20


@pytest.fixture
def exporter(dsn: str, tmp_path: Path) -> Iterator[Exporter]:
    with Exporter(configure(tmp_path / "c.yml", dsn, interval="5s")) as running:
        running.until_ready()
        running.scrape()
        yield running


def resident_bytes(exporter: Exporter) -> int:
    status = Path(f"/proc/{exporter.process.pid}/status").read_text()
    return int(status.split("VmRSS:")[1].split()[0]) * 1024


def descriptors(exporter: Exporter) -> int:
    return len(list(Path(f"/proc/{exporter.process.pid}/fd").iterdir()))


class Watched:
    """The most that an exporter uses while a block lasts, looked at ten times a second."""

    def __init__(self, exporter: Exporter) -> None:
        self._exporter = exporter
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self._before = self._bytes = resident_bytes(exporter)
        self.descriptors = 0

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._stop.set()
        self._thread.join()

    @property
    def grown_bytes(self) -> int:
        """How much more memory it took than before."""
        return self._bytes - self._before

    def _run(self) -> None:
        while not self._stop.wait(0.1):
            self._bytes = max(self._bytes, resident_bytes(self._exporter))
            self.descriptors = max(self.descriptors, descriptors(self._exporter))


def scrapes(exporter: Exporter, seconds: float, *, keep: bool) -> list[float]:
    """Scrape every 10 ms; return how long each took. `keep` keeps the connection, as Prometheus does."""
    took, connection = [], http.client.HTTPConnection(exporter.address, timeout=DEADLINE_SECONDS)
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        began = time.perf_counter()
        connection.request("GET", "/metrics", headers={"Accept-Encoding": "gzip"})
        response = connection.getresponse()
        assert response.status == 200
        assert response.read()
        took.append(time.perf_counter() - began)
        if not keep:
            connection.close()
        time.sleep(0.01)
    connection.close()
    return sorted(took)


def p99(took: list[float]) -> float:
    return took[int(len(took) * 0.99)]


def test_many_scrapers_at_once_are_all_served(exporter: Exporter) -> None:
    async def scrape_all() -> list[int]:
        host, port = exporter.address.split(":")

        async def one() -> int:
            reader, writer = await asyncio.open_connection(host, int(port))
            lengths = []
            for _ in range(3):
                writer.write(b"GET /metrics HTTP/1.1\r\nHost: me\r\nAccept-Encoding: gzip\r\n\r\n")
                head = await reader.readuntil(b"\r\n\r\n")
                assert head.startswith(b"HTTP/1.1 200")
                length = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
                lengths.append(len(await reader.readexactly(length)))
            writer.close()
            return len(lengths)

        return await asyncio.gather(*[one() for _ in range(SCRAPERS)])

    with Watched(exporter) as watched:
        served = asyncio.run(scrape_all())

    assert served == [3] * SCRAPERS
    assert watched.grown_bytes < 50 * MEGABYTE
    assert watched.descriptors < MOST_DESCRIPTORS
    eventually(lambda: descriptors(exporter) < 30, "connections are left open")


def test_scrapes_are_quick_among_many_scrapers(exporter: Exporter) -> None:
    """Five hundred that scrape once a second."""
    with Watched(exporter) as watched, beside("tests.support.scrapers", exporter.address, str(SCRAPERS)) as scrapers:
        eventually(lambda: descriptors(exporter) > SCRAPERS, "not all of them are there")
        own = {keep: p99(scrapes(exporter, SECONDS, keep=keep)) for keep in (True, False)}
        theirs = outcome(scrapers)

    sys.stdout.write(f"p99 beside {SCRAPERS} scrapers: {own}; theirs: {theirs}; bytes: {watched.grown_bytes}\n")
    assert (theirs["served"] > SCRAPERS, theirs["lost"]) == (True, 0)
    assert max(own.values()) < SLOWEST_SECONDS
    assert watched.grown_bytes < 50 * MEGABYTE
    assert watched.descriptors < MOST_DESCRIPTORS


def test_a_flood_costs_little_and_ends(exporter: Exporter) -> None:
    quiet = {keep: p99(scrapes(exporter, 2, keep=keep)) for keep in (True, False)}
    with Watched(exporter) as watched, beside("tests.support.flood", exporter.address) as flood:
        eventually(lambda: descriptors(exporter) > 300, "no flood")
        flooded = {keep: p99(scrapes(exporter, SECONDS, keep=keep)) for keep in (True, False)}
        done = outcome(flood)
    lines = [event for event in exporter.events if event.get("level") in {"warn", "error"}]

    figures = {
        "quiet": quiet,
        "flooded": flooded,
        "bytes": watched.grown_bytes,
        "connections": done,
        "lines": len(lines),
    }
    sys.stdout.write(f"{figures}; descriptors: {watched.descriptors}\n")  # seen with `pytest -s`
    assert sum(done.values()) > sum(NUMBERS.values()) + 50, "nobody came again"
    assert max(flooded.values()) < SLOWEST_SECONDS
    assert watched.grown_bytes < 100 * MEGABYTE
    assert 300 < watched.descriptors < MOST_DESCRIPTORS
    assert len(lines) < 10
    assert not any("exception" in event for event in exporter.events)
    eventually(lambda: descriptors(exporter) < 30, "connections are left open", seconds=120)
    assert exporter.ask("/-/healthy").status == 200
