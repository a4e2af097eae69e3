"""Many Prometheis, as a process of its own: `python -m tests.support.scrapers HOST:PORT NUMBER`, until its standard input ends.

Each keeps its connection and scrapes once a second, at a moment of its own. How many scrapes there were, how many were not
answered, and how long 99 of 100 took is printed as JSON.
"""

from __future__ import annotations

import asyncio
import json
import sys
from dataclasses import asdict, dataclass
from time import perf_counter

import uvloop

REQUEST = b"GET /metrics HTTP/1.1\r\nHost: me\r\nAccept-Encoding: gzip\r\n\r\n"
INTERVAL_SECONDS = 1.0


@dataclass(frozen=True)
class Scrapes:
    """What came of them."""

    served: int
    lost: int
    p50_seconds: float
    p99_seconds: float


class Scrapers:
    """Scrapers, each a task."""

    def __init__(self, host: str, port: int) -> None:
        self._host, self._port = host, port
        self.took: list[float] = []
        self.lost = 0

    async def scrape(self, offset: float) -> None:
        """Scrape again and again; begin a moment later."""
        loop = asyncio.get_running_loop()
        due = loop.time() + offset
        while True:
            try:
                reader, writer = await asyncio.open_connection(self._host, self._port)
                while True:
                    await asyncio.sleep(due - loop.time())
                    due = max(due + INTERVAL_SECONDS, loop.time())
                    began = perf_counter()
                    writer.write(REQUEST)
                    await _answer(reader)
                    self.took.append(perf_counter() - began)
            except (OSError, EOFError, ValueError):
                self.lost += 1

    def result(self) -> Scrapes:
        """What came of it."""
        took = sorted(self.took) or [float("inf")]
        p50, p99 = (took[int(len(took) * share)] for share in (0.5, 0.99))
        return Scrapes(len(self.took), self.lost, round(p50, 5), round(p99, 5))


async def _answer(reader: asyncio.StreamReader) -> None:
    head = await reader.readuntil(b"\r\n\r\n")
    if not head.startswith(b"HTTP/1.1 200 "):
        raise ValueError(head)
    await reader.readexactly(int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0]))


async def scrape(host: str, port: int, number: int) -> Scrapes:
    """Let so many scrape until standard input ends."""
    scrapers = Scrapers(host, port)
    tasks = [asyncio.create_task(scrapers.scrape(INTERVAL_SECONDS * each / number)) for each in range(number)]
    await asyncio.to_thread(sys.stdin.read)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    return scrapers.result()


if __name__ == "__main__":
    host, port = sys.argv[1].rsplit(":", 1)
    json.dump(asdict(uvloop.run(scrape(host, int(port), int(sys.argv[2])))), sys.stdout)
