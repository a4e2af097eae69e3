"""Load: many scrapers at once, and clients that mean no good. Memory and descriptors stay bounded, scrapes stay quick."""

from __future__ import annotations

import asyncio
import http.client
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from tests import postgres
from tests.acceptance.conftest import LEDGERS, configure
from tests.conftest import create_ledgers
from tests.exporter_process import ROOT, Exporter, eventually

SCRAPERS = 500
FLOOD_SECONDS = 15.0
SLOWEST_SECONDS = float(os.environ.get("SLOWEST_SCRAPE_SECONDS", "1"))
"""What 99 of 100 scrapes have to stay below; 0.05 on a machine that does nothing else."""
MEGABYTE = 1 << 20


@pytest.fixture
def exporter(pg18: postgres.Server, tmp_path: Path) -> Iterator[Exporter]:
    name = pg18.create_database()
    create_ledgers(pg18.dsn(name))
    with psycopg.connect(pg18.dsn(name), autocommit=True) as connection:
        connection.execute(LEDGERS)
    with Exporter(configure(tmp_path / "c.yml", pg18.dsn(name), interval="5s")) as running:
        running.until_ready()
        running.scrape()
        yield running
    pg18.drop_database(name)


def resident_bytes(exporter: Exporter) -> int:
    status = Path(f"/proc/{exporter.process.pid}/status").read_text()
    return int(status.split("VmRSS:")[1].split()[0]) * 1024


def descriptors(exporter: Exporter) -> int:
    return len(list(Path(f"/proc/{exporter.process.pid}/fd").iterdir()))


def scrapes(exporter: Exporter, seconds: float, *, keep: bool) -> list[float]:
    """Scrape every 10 ms; return how long each took. `keep` keeps the connection, as Prometheus does."""
    took, connection = [], http.client.HTTPConnection(exporter.address, timeout=10)
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

    before = resident_bytes(exporter)
    served = asyncio.run(scrape_all())

    assert served == [3] * SCRAPERS
    assert resident_bytes(exporter) - before < 50 * MEGABYTE
    eventually(lambda: descriptors(exporter) < 30, "connections are left open")


def test_a_flood_costs_little_and_ends(exporter: Exporter) -> None:
    quiet = {keep: p99(scrapes(exporter, 2, keep=keep)) for keep in (True, False)}
    before = resident_bytes(exporter)
    flood = subprocess.Popen(
        [sys.executable, "-m", "tests.flood", exporter.address, str(FLOOD_SECONDS)], cwd=ROOT, stdout=subprocess.PIPE
    )
    eventually(lambda: descriptors(exporter) > 300, "no flood")
    flooded = {keep: p99(scrapes(exporter, FLOOD_SECONDS / 3, keep=keep)) for keep in (True, False)}
    most = resident_bytes(exporter)
    done = json.loads(flood.communicate()[0])
    lines = [event for event in exporter.events if event.get("level") in {"warn", "error"}]

    figures = {"quiet": quiet, "flooded": flooded, "bytes": most - before, "connections": done, "lines": len(lines)}
    sys.stdout.write(f"{figures}\n")  # seen with `pytest -s`
    assert sum(done.values()) > 1000
    assert max(flooded.values()) < SLOWEST_SECONDS
    assert most - before < 100 * MEGABYTE
    assert len(lines) < 10
    assert not any("exception" in event for event in exporter.events)
    eventually(lambda: descriptors(exporter) < 30, "connections are left open", seconds=60)
    assert exporter.ask("/-/healthy").status == 200
