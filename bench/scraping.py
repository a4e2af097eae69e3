"""Scrapes: one at a time for what they say, by wrk for how long they take, and without a pause for what they see meanwhile."""

from __future__ import annotations

import http.client
import json
import multiprocessing
import signal
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from multiprocessing.synchronize import Event
from pathlib import Path
from statistics import median, quantiles
from typing import Self

from bench import agreement, tools
from bench.errors import BenchError

_SCRIPT = Path(__file__).with_name("wrk.lua")
_TIMEOUT_SECONDS = 120.0
PAUSE_SECONDS = 0.001


class Client:
    """One kept connection, renewed where the server does not keep it."""

    def __init__(self, host: str, port: int, path: str = "/metrics", *, gzip: bool = False) -> None:
        self._connection = http.client.HTTPConnection(host, port, timeout=_TIMEOUT_SECONDS)
        self._path = path
        self._headers = {"Accept-Encoding": "gzip" if gzip else "identity"}
        self.encoding = "identity"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.close()

    def get(self) -> bytes:
        """Scrape once, and note in `encoding` how the body came. Raises OSError, BenchError where it is not answered by 200."""
        try:
            self._connection.request("GET", self._path, headers=self._headers)
            response = self._connection.getresponse()
        except http.client.RemoteDisconnected:
            self._connection.close()
            self._connection.request("GET", self._path, headers=self._headers)
            response = self._connection.getresponse()
        body = response.read()
        if response.status != http.client.OK:
            raise BenchError(f"{self._path} answered {response.status}: {body[:200]!r}")
        self.encoding = response.headers.get("Content-Encoding", "identity")
        return body


@dataclass(frozen=True)
class Load:
    """What wrk measured: the latency of requests one after the other, or the rate of many at a time."""

    p50_ms: float
    p99_ms: float
    per_second: float
    requests: int


def wrk(url: str, seconds: float, *, connections: int = 1, gzip: bool = False, core: int | None = None) -> Load:
    """Scrape without a pause from one thread, on a core of its own if given.

    Raises:
        BenchError: wrk failed, or there were answers other than 200.
    """
    encoding = "gzip" if gzip else "identity"
    command = [tools.program("wrk"), "-t1", f"-c{connections}", f"-d{max(1, round(seconds))}s", "-s", str(_SCRIPT)]
    command += ["-H", f"Accept-Encoding: {encoding}", url]
    if core is not None:
        command = ["taskset", "-c", str(core), *command]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=seconds + 60)  # noqa: S603
    lines = [line for line in done.stdout.splitlines() if line.startswith("{")]
    if done.returncode or not lines:
        raise BenchError(f"wrk failed on {url}: {done.stderr or done.stdout}")
    said = json.loads(lines[-1])
    if said["refused"] or not said["requests"]:
        raise BenchError(f"{url} answered {said['refused']} of {said['requests']} requests by other than success")
    return Load(said["p50_us"] / 1000, said["p99_us"] / 1000, said["per_second"], said["requests"])


@dataclass(frozen=True)
class Sample:
    """A scrape: when it began, how long it took, and what of it does not agree."""

    began: float
    seconds: float
    problems: tuple[str, ...]

    def overlaps(self, began: float, ended: float) -> bool:
        """Tell whether it was under way at some instant of a span."""
        return self.began < ended and self.began + self.seconds > began


@dataclass
class Watch:
    """Scrapes taken one after the other over a while."""

    samples: list[Sample] = field(default_factory=list)

    @property
    def partial(self) -> list[Sample]:
        """The scrapes whose parts did not agree."""
        return [sample for sample in self.samples if sample.problems]

    def during(self, spans: Sequence[tuple[float, float]]) -> list[Sample]:
        """The scrapes that met one of the spans, each given by its beginning and end in seconds since 1970."""
        return [sample for sample in self.samples if any(sample.overlaps(*span) for span in spans)]


@contextmanager
def watching(host: str, port: int, metrics: frozenset[str]) -> Iterator[Watch]:
    """Scrape one after the other while the context lasts, and check each for whether its parts agree.

    A process of its own scrapes, so that nothing the benchmark does meanwhile delays it. The samples are there once the
    context is left. Raises BenchError where a scrape failed.
    """
    context = multiprocessing.get_context("spawn")
    stop, (receiver, sender) = context.Event(), context.Pipe(duplex=False)
    process = context.Process(target=_watch, args=(host, port, metrics, stop, sender), name="watching", daemon=True)
    process.start()
    sender.close()
    watch = Watch()
    try:
        yield watch
    finally:
        stop.set()
        try:
            outcome: list[Sample] | str = receiver.recv()
        except EOFError:
            outcome = "the scraping process has ended"
        process.join()
    if isinstance(outcome, str):
        raise BenchError(f"a scrape failed: {outcome}")
    watch.samples.extend(outcome)


def _watch(host: str, port: int, metrics: frozenset[str], stop: Event, result: Connection) -> None:
    """Scrape until told to stop; then send the samples, or what went wrong in words."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the benchmark says when to stop
    samples: list[Sample] = []
    try:
        with Client(host, port) as client:
            while not stop.is_set():
                began, clock = time.time(), time.perf_counter()
                body = client.get()
                seconds = time.perf_counter() - clock
                problems = agreement.disagreements(agreement.sums(body), metrics)
                samples.append(Sample(began, seconds, tuple(problems)))
                stop.wait(PAUSE_SECONDS)
    except (OSError, BenchError, http.client.HTTPException) as error:
        result.send(f"{type(error).__name__}: {error}")
    else:
        result.send(samples)


def p50(values: Sequence[float]) -> float | None:
    """The median, None of nothing."""
    return median(values) if values else None


def p99(values: Sequence[float]) -> float | None:
    """The 99th percentile, None of fewer than two."""
    return quantiles(values, n=100, method="inclusive")[98] if len(values) > 1 else None
