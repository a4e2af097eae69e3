"""An hour's worth of refreshes in minutes: `python -m tests.soak [SECONDS]`, as `make soak` does.

While the platform books and prunes, 500 scrapers scrape once a second and some clients all the time in every format,
connections are ended and configurations are reloaded, good ones and bad ones, nothing may grow: memory, descriptors, threads,
connections to the database. Figures are printed as JSON; the exit code is 1 for a leak, a lost request, a slow scrape or a
wrong figure.
"""

from __future__ import annotations

import argparse
import http.client
import json
import signal
import statistics
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

import psycopg

from tests.support import postgres
from tests.support.comparison import as_published, check, snapshot_instant
from tests.support.exporter_process import Exporter, beside, outcome, sample
from tests.support.ledgers import configure, small_platform

SECONDS = 180.0
INTERVAL = "100ms"
CLIENTS = 20
SCRAPERS = 500
SLOWEST_SECONDS = 0.05
"""What 99 of 100 scrapes of the scrapers have to stay below."""
WARM_UP_SHARE = 1 / 3
MOST_BYTES = 4 << 20
"""How much more memory may be in use at the end than after the warm-up: allocators do not give back every page."""
ACCEPTED = [
    {},
    {"Accept-Encoding": "gzip"},
    {"Accept": "application/openmetrics-text;version=1.0.0", "Accept-Encoding": "gzip"},
    {"Accept": "application/openmetrics-text;version=1.0.0"},
]
BOOKING = """
insert into cost_ledger (id, created_at, provider, model, task_id, quest_id, tokens_in, cost_usd)
values ({n}, now(), 'codex-mini', 'model-' || {n} % 3, 'task-' || {n}, 'quest-' || {n} % 4, 10, 0.01);
update impact_ledger set impact_score = 0.5, updated_at = now() where id = 1 + {n} % 100;
delete from cost_ledger where id > 1000 and id < {n} - 1000;
"""


@dataclass(frozen=True)
class Use:
    """What the exporter uses at an instant."""

    memory_bytes: int
    descriptors: int
    threads: int
    connections: int


@dataclass
class Load:
    """What is done to the exporter, and what came of it."""

    stop: threading.Event = field(default_factory=threading.Event)
    served: Counter[int] = field(default_factory=Counter)
    lost: list[str] = field(default_factory=list)
    done: Counter[str] = field(default_factory=Counter)

    def every(self, seconds: float, act: Callable[[], None]) -> threading.Thread:
        """Do something again and again, in a thread of its own."""

        def run() -> None:
            while not self.stop.wait(seconds):
                act()
                self.done[act.__name__] += 1

        return threading.Thread(target=run, daemon=True)

    def scrape(self, address: str, number: int) -> threading.Thread:
        """Scrape again and again; every second client keeps its connection."""

        def run() -> None:
            connection = http.client.HTTPConnection(address, timeout=10)
            while not self.stop.wait(0.05):
                try:
                    connection.request("GET", "/metrics", headers=ACCEPTED[number % len(ACCEPTED)])
                    response = connection.getresponse()
                    response.read()
                    self.served[response.status] += 1
                except (OSError, http.client.HTTPException) as error:
                    self.lost.append(repr(error))
                    connection.close()
                if number % 2:
                    connection.close()
            connection.close()

        return threading.Thread(target=run, daemon=True)


def use(exporter: Exporter, platform: psycopg.Connection[Any]) -> Use:
    """Measure the exporter from outside."""
    place = Path(f"/proc/{exporter.process.pid}")
    status = dict(line.split(":", 1) for line in (place / "status").read_text().splitlines() if ":" in line)
    ((connections,),) = platform.execute(
        "select count(*) from pg_stat_activity where application_name like 'ledger-exporter/%'"
    ).fetchall()
    return Use(
        memory_bytes=int(status["VmRSS"].split()[0]) * 1024,
        descriptors=len(list((place / "fd").iterdir())),
        threads=int(status["Threads"]),
        connections=int(connections),
    )


@contextmanager
def loaded(load: Load, exporter: Exporter, dsn: str, config: Path) -> Iterator[psycopg.Connection[Any]]:
    """The platform, its clients and its troubles, all at once, for as long as the block lasts."""
    numbers = count(1001)
    good = config.read_text()
    with ExitStack() as stack:
        booking, watching, troubling = (stack.enter_context(psycopg.connect(dsn, autocommit=True)) for _ in range(3))

        def book() -> None:
            booking.execute(BOOKING.format(n=next(numbers)).encode())

        def disconnect() -> None:
            troubling.execute(
                "select pg_terminate_backend(pid) from pg_stat_activity where application_name like 'ledger-exporter/%'"
            )

        def reload() -> None:
            config.write_text(good if load.done["reload"] % 3 else "sources: {}\n")
            exporter.send(signal.SIGHUP)

        threads = [load.scrape(exporter.address, number) for number in range(CLIENTS)]
        threads += [load.every(0.05, book), load.every(1.1, disconnect), load.every(2.3, reload)]
        for thread in threads:
            thread.start()
        try:
            yield watching
        finally:
            load.stop.set()
            for thread in threads:
                thread.join(30)
            config.write_text(good)
            exporter.send(signal.SIGHUP)
            exporter.until(lambda scrape: scrape[sample("ledger_config_last_reload_successful")] == 1)


def typical(uses: list[Use]) -> Use:
    """The medians."""
    return Use(*(int(statistics.median(getattr(one, name) for one in uses)) for name in Use.__dataclass_fields__))


def soak(seconds: float) -> dict[str, Any]:
    """Run it; return the figures, problems among them."""
    server = postgres.start(postgres.embedded_bin())
    load = Load()
    with ExitStack() as stack:
        stack.callback(server.stop)
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        dsn = stack.enter_context(small_platform(server))
        config = configure(folder / "c.yml", dsn, interval=INTERVAL)
        exporter = stack.enter_context(Exporter(config))
        exporter.until(lambda scrape: scrape.get(sample("ledger_up", ledger="cost")) == 1)
        uses: list[Use] = []
        with (
            loaded(load, exporter, dsn, config) as platform,
            beside("tests.support.scrapers", exporter.address, str(SCRAPERS)) as scrapers,
        ):
            end = time.monotonic() + seconds
            while time.monotonic() < end:
                time.sleep(0.5)
                uses.append(use(exporter, platform))
            scrapes = outcome(scrapers)
        exporter.until(lambda scrape: scrape[sample("ledger_up", ledger="cost")] == 1)
        rested = time.time()
        scrape = exporter.until(lambda scrape: scrape[sample("ledger_snapshot_timestamp_seconds")] > rested)
        wrong = _differences(dsn, scrape)
        refreshes = scrape[sample("ledger_refreshes_total", ledger="cost")]
    warm = uses[int(len(uses) * WARM_UP_SHARE) :]
    third = len(warm) // 3
    first, last = typical(warm[:third]), typical(warm[-third:])
    return {
        "seconds": round(seconds),
        "refreshes": int(refreshes),
        "refreshes_as_hours_at_15s": round(refreshes * 15 / 3600, 1),
        "requests_served": dict(load.served),
        "requests_lost": len(load.lost),
        "scrapers": {"number": SCRAPERS, **scrapes},
        "bookings": load.done["book"],
        "disconnections": load.done["disconnect"],
        "reloads": load.done["reload"],
        "after_warm_up": vars(first),
        "at_the_end": vars(last),
        "bytes_grown": last.memory_bytes - first.memory_bytes,
        "wrong_figures": wrong,
        "tracebacks": sum("exception" in event for event in exporter.events),
        "problems": _problems(first, last, load, scrapes, wrong),
    }


def _differences(dsn: str, scrape: Any) -> int:
    try:
        check([dsn], snapshot_instant(scrape), as_published(scrape))
    except BaseException as error:  # noqa: BLE001 - pytest's own failure is no Exception
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


def _problems(first: Use, last: Use, load: Load, scrapes: dict[str, Any], wrong: int) -> list[str]:
    found = []
    if last.memory_bytes - first.memory_bytes > MOST_BYTES:
        found.append("memory has grown")
    if last.descriptors > first.descriptors + CLIENTS:
        found.append("descriptors are left open")
    if last.threads > first.threads + 2:
        found.append("threads are left")
    if last.connections > 2:
        found.append("connections to the database are left open")
    if load.lost or set(load.served) != {200} or scrapes["lost"]:
        found.append(f"requests were lost: {load.lost[:3]}")
    if scrapes["p99_seconds"] > SLOWEST_SECONDS:
        found.append("scrapes are slow")
    if wrong:
        found.append("figures are wrong")
    return found


def main() -> None:
    """Run it for some seconds, and tell."""
    parser = argparse.ArgumentParser(prog="python -m tests.soak", description=__doc__)
    parser.add_argument("seconds", type=float, nargs="?", default=SECONDS, help="for how long (default: %(default)g)")
    figures = soak(parser.parse_args().seconds)
    sys.stdout.write(json.dumps(figures, indent=2) + "\n")
    sys.exit(bool(figures["problems"]))


if __name__ == "__main__":
    main()
