"""The HTTP interface of Prometheus and of what speaks like it, and a real Prometheus that scrapes one exporter."""

from __future__ import annotations

import json
import subprocess
import urllib.error
import urllib.parse
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from tests.support.exporter_process import DEADLINE_SECONDS, eventually
from tests.support.processes import free_port
from tests.support.tools import tool

SETTINGS = """\
global: {{scrape_interval: 3s, scrape_timeout: 3s}}
scrape_configs:
  - job_name: ledger-exporter
    static_configs: [{{targets: ["{target}"]}}]
"""
REFUSALS = (400, 422)


class RefusedError(Exception):
    """Prometheus answered a query with an error; the message is its own."""


@dataclass(frozen=True)
class Series:
    """One series of an answer: its labels, without the metric's name, and its last value."""

    labels: dict[str, str]
    value: float


class PrometheusApi:
    """The HTTP interface of a running Prometheus, or VictoriaMetrics, as Grafana uses it."""

    def __init__(self, address: str) -> None:
        self._address = address

    @property
    def url(self) -> str:
        """Where it answers."""
        return f"http://{self._address}"

    def get(self, path: str, **parameters: str) -> Any:
        """What an API answers, or None while there is no answer."""
        url = f"http://{self._address}/api/v1/{path}?{urllib.parse.urlencode(parameters)}"
        try:
            with urllib.request.urlopen(url, timeout=DEADLINE_SECONDS) as answer:
                return json.load(answer)["data"]
        except OSError:
            return None

    def query(self, promql: str, label: str) -> dict[str, float]:
        """The value of each series of an instant query, by one of its labels."""
        return {one["metric"][label]: float(one["value"][1]) for one in self.get("query", query=promql)["result"]}

    def targets(self) -> list[tuple[str, str]]:
        """The job and the health of each target, none while there is no answer."""
        found = self.get("targets", state="active")
        return [(one["labels"]["job"], one["health"]) for one in found["activeTargets"]] if found else []

    def instant(self, promql: str, at: float | None = None) -> list[Series]:
        """The series of an instant query, now or `at` a Unix time. Raises RefusedError."""
        moment = {} if at is None else {"time": f"{at:.3f}"}
        found = self._ask("query", query=promql, **moment)
        return [Series(_labels(one), float(one["value"][1])) for one in found]

    def over_time(self, promql: str, begin: float, end: float, step: float) -> list[Series]:
        """The series of a range query, each with its last value. Raises RefusedError."""
        limits = {"start": f"{begin:.3f}", "end": f"{end:.3f}", "step": f"{step:.3f}"}
        found = self._ask("query_range", query=promql, **limits)
        return [Series(_labels(one), float(one["values"][-1][1])) for one in found]

    def _ask(self, path: str, **parameters: str) -> list[dict[str, Any]]:
        url = f"http://{self._address}/api/v1/{path}"
        body = urllib.parse.urlencode(parameters).encode()
        try:
            with urllib.request.urlopen(url, body, timeout=DEADLINE_SECONDS) as answer:
                found: list[dict[str, Any]] = json.load(answer)["data"]["result"]
                return found
        except urllib.error.HTTPError as error:
            if error.code not in REFUSALS:  # it is not ready
                raise
            with error:
                raise RefusedError(json.load(error)["error"]) from None


class Prometheus(PrometheusApi):
    """A running Prometheus, which ends with the block at the latest. Inside it answers and has scraped."""

    def __init__(self, target: str, folder: Path) -> None:
        super().__init__(f"127.0.0.1:{free_port()}")
        self._folder = folder
        self._settings = folder / "prometheus.yml"
        self._settings.write_text(SETTINGS.format(target=target))

    def __enter__(self) -> Self:
        log = self._folder / "prometheus.log"
        with log.open("wb") as output:
            self._process = subprocess.Popen(
                [tool("prometheus"), f"--config.file={self._settings}", f"--web.listen-address={self._address}",
                 f"--storage.tsdb.path={self._folder / 'prometheus'}"],
                stdout=output, stderr=output, stdin=subprocess.DEVNULL,
            )  # fmt: skip
        try:
            eventually(self._has_scraped, f"Prometheus has not scraped; its log is {log}")
        except BaseException:
            self._end()
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._end()

    def _end(self) -> None:
        self._process.kill()
        self._process.wait()

    def _has_scraped(self) -> bool:
        try:
            return bool(self.instant("up == 1"))
        except OSError:
            return False


def _labels(one: dict[str, Any]) -> dict[str, str]:
    return {label: text for label, text in one["metric"].items() if label != "__name__"}
