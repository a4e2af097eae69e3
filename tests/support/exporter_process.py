"""The exporter's own process, as an operator runs it: started, scraped, signalled, and read by its log."""

from __future__ import annotations

import http.client
import inspect
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from prometheus_client.parser import text_string_to_metric_families

ROOT = Path(__file__).parents[2]
DEADLINE_SECONDS = 60.0
"""For what is to happen sooner or later: long, because a machine may be slow and busy. It is waited for, not waited out."""
SOON_SECONDS = 20.0
"""For what is to happen soon: short of everything that it might wrongly wait for, which tests let take a minute and more."""

Event = Mapping[str, Any]
"""A line of the log: time, level, logger, message and further fields."""


@dataclass(frozen=True)
class Answer:
    """An HTTP response, its headers by lower-case name."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def text(self) -> str:
        """The body as text."""
        return self.body.decode()


Samples = Mapping[tuple[str, frozenset[tuple[str, str]]], float]


def sample(name: str, **labels: str) -> tuple[str, frozenset[tuple[str, str]]]:
    """The key of a sample in `Samples`."""
    return name, frozenset(labels.items())


class Exporter:
    """A running `python -m exporter serve`, which ends with the block at the latest.

    It listens on a free port of 127.0.0.1 and says which; what it says is collected as it comes, so that a test waits for
    the event it means and for nothing else.
    """

    def __init__(
        self,
        config: Path,
        *options: str,
        environment: Mapping[str, str] | None = None,
        program: Sequence[str] = (sys.executable, "-m", "exporter"),
    ) -> None:
        self._command = [
            *program, "serve", f"--config.file={config}", "--web.listen-address=127.0.0.1:0",
            "--log.format=json", *options,
        ]  # fmt: skip
        self._environment = {**os.environ, **(environment or {})}
        self._said = threading.Condition()
        self.events: list[Event] = []
        self.ended = False

    def __enter__(self) -> Self:
        self.process = subprocess.Popen(
            self._command, cwd=ROOT, env=self._environment, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL
        )
        self._listener = threading.Thread(target=self._listen, daemon=True)
        self._listener.start()
        try:
            self.address = str(self.wait_for("listening")["address"])
        except BaseException:
            self._kill()
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._kill()

    def _kill(self) -> None:
        self.process.kill()
        self.process.wait()
        self._listener.join(DEADLINE_SECONDS)

    def _listen(self) -> None:
        assert self.process.stderr is not None
        with self.process.stderr as lines:
            for line in lines:
                event = json.loads(line) if line.startswith(b"{") else {"msg": line.decode(errors="replace")}
                with self._said:
                    self.events.append(event)
                    self._said.notify_all()
        with self._said:
            self.ended = True
            self._said.notify_all()

    def wait_for(self, message: str, since: int = 0, **fields: object) -> Event:
        """Return the first event with this message and these fields, of those after the first `since`."""
        found: list[Event] = []

        def said() -> bool:
            wanted = {"msg": message, **fields}
            found[:] = [event for event in self.events[since:] if wanted.items() <= event.items()]
            return bool(found) or self.ended

        with self._said:
            in_time = self._said.wait_for(said, DEADLINE_SECONDS)
            assert found, f"{'ended' if in_time else 'waited'} without {message!r} {fields}: {self.events[-20:]}"
            return found[0]

    def until(self, seen: Callable[[Samples], object]) -> Samples:
        """Scrape until a condition holds; return that scrape."""
        last: list[Samples] = []

        def holds() -> object:
            last[:] = [self.scrape()]
            return seen(last[0])

        eventually(holds, f"never seen in a scrape: {inspect.getsource(seen)}")
        return last[0]

    def until_ready(self) -> None:
        """Return when the first refresh is published."""
        eventually(lambda: self.ask("/-/ready").status == 200, "never ready")

    def ask(self, path: str, method: str = "GET", **headers: str) -> Answer:
        """Make an HTTP request; header names are written with underscores."""
        connection = http.client.HTTPConnection(self.address, timeout=DEADLINE_SECONDS)
        try:
            connection.request(method, path, headers={name.replace("_", "-"): value for name, value in headers.items()})
            response = connection.getresponse()
            body = response.read()
            return Answer(response.status, {name.lower(): value for name, value in response.getheaders()}, body)
        finally:
            connection.close()

    def scrape(self) -> Samples:
        """Every sample of the metrics page."""
        answer = self.ask("/metrics")
        assert answer.status == 200
        return {
            (one.name, frozenset(one.labels.items())): one.value
            for metric in text_string_to_metric_families(answer.text)
            for one in metric.samples
        }

    def send(self, number: signal.Signals) -> None:
        """Send the process a signal."""
        self.process.send_signal(number)

    def end(self, number: signal.Signals) -> tuple[int, float]:
        """End the process by a signal; return its exit code and how many seconds it took."""
        began = time.monotonic()
        self.send(number)
        code = self.process.wait(DEADLINE_SECONDS)
        return code, time.monotonic() - began


@contextmanager
def beside(*command: str) -> Iterator[subprocess.Popen[bytes]]:
    """A module of the tests, run as a process of its own until its standard input ends."""
    process = subprocess.Popen(
        [sys.executable, "-m", *command], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def outcome(process: subprocess.Popen[bytes]) -> dict[str, Any]:
    """End it, and return what it says; it must have run until now."""
    assert process.poll() is None, "it ended while it was needed"
    said: dict[str, Any] = json.loads(process.communicate(timeout=DEADLINE_SECONDS)[0])
    return said


def eventually(question: Callable[[], object], message: str, seconds: float = DEADLINE_SECONDS) -> None:
    """Ask another process again and again until it says yes."""
    deadline = time.monotonic() + seconds
    pause = threading.Event()
    while not question():
        assert time.monotonic() < deadline, message
        pause.wait(0.05)
