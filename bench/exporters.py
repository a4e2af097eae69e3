"""The exporters that are compared, each a process of its own with a database role of its own."""

from __future__ import annotations

import json
import os
import socket
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import yaml

from bench import agreement, scraping, tools
from bench.database import Ledgers
from bench.errors import BenchError
from bench.questions import QUESTIONS
from exporter.demo.stage import Program, Stage

ROOT = Path(__file__).parents[1]
HOST = "127.0.0.1"
OURS = "ledger-exporter"
SQL_EXPORTER = "sql-exporter"
QUERY_EXPORTER = "query-exporter"
HANDWRITTEN = "handwritten"
PEERS = (SQL_EXPORTER, QUERY_EXPORTER, HANDWRITTEN)
ROLES = {name: f"bench_{name.replace('-', '_')}" for name in (OURS, *PEERS)}

NEVER_SECONDS = 3600
"""An interval so long that no refresh falls into a measurement after the first."""

FIRST_LOAD_SECONDS = 3600.0
POLL_SECONDS = 0.05

TOP_FIVE: Mapping[str, Any] = {"waste": {"top": 5}, "efficiency": {"top": 5}, "costly": {"top": 5}}
_MAPPING: Mapping[str, Any] = {
    "cost": {"source": "main", "relation": "cost_ledger"},
    "impact": {"source": "main", "relation": "impact_ledger"},
    "budget": {"source": "main", "relation": "quest_budget_allocations"},
}
FEW_COLUMNS = {
    "cost": {**_MAPPING["cost"], "columns": {"model": None}},
    "impact": {**_MAPPING["impact"], "columns": {"layer": None}},
    "budget": _MAPPING["budget"],
}

SMALL: Mapping[str, Any] = {**TOP_FIVE, "ledgers": FEW_COLUMNS, "providers": [{"pattern": ".", "family": "all"}]}
"""About 300 series, from a ledger with one quest: top 5, all providers one family, neither models nor layers."""

WIDE: Mapping[str, Any] = {**TOP_FIVE, "ledgers": FEW_COLUMNS, "providers": [{"pattern": ".", "family": "all"}]}
"""About 10,000 series, by as many quests as that takes; otherwise like SMALL."""

COMPACT: Mapping[str, Any] = {**TOP_FIVE, "limits": {"models": 1, "layers": 1}}
"""Every provider and quest, as the peers have them; models and layers folded, top 5."""

FEW: Mapping[str, Any] = {**TOP_FIVE, "ledgers": FEW_COLUMNS, "limits": {"quests": 2, "providers": 2}}
"""About 300 series, from any ledger: top 5, two quests and two providers, the others folded; neither models nor layers."""

DEFAULT: Mapping[str, Any] = {}
"""The configuration as it ships."""


@dataclass(frozen=True)
class Running:
    """A running exporter."""

    name: str
    program: Program
    port: int
    started: float
    path: str = "/metrics"

    @property
    def role(self) -> str:
        """Its role in the database."""
        return ROLES[self.name]

    @property
    def url(self) -> str:
        """Where its metrics are."""
        return f"http://{HOST}:{self.port}{self.path}"

    @property
    def metrics(self) -> frozenset[str]:
        """Its metrics whose sums must agree."""
        if self.name == OURS:
            return agreement.METRICS
        return agreement.METRICS & {question.metric for question in QUESTIONS} - {"ledger_provider_tokens"}

    def body(self) -> bytes:
        """Scrape once. Raises BenchError where the process has ended."""
        if self.program.ended:
            raise BenchError(f"{self.name} has ended; the end of its log:\n{self.program.last_words()}")
        with scraping.Client(HOST, self.port, self.path) as client:
            return client.get()

    def rss_mb(self) -> float:
        """Its resident memory in MB."""
        return tools.rss_mb(self.program.process.pid)

    def cpu_seconds(self) -> float:
        """For how long it has been at work so far."""
        return tools.cpu_seconds(self.program.process.pid)

    def passes(self) -> list[Pass]:
        """The refreshes of this project's exporter so far, from its log."""
        return passes(self.program.log.read_text("utf-8", "replace").splitlines())


@dataclass(frozen=True)
class Pass:
    """A refresh of this project's exporter: when its snapshot was swapped in, and how long it took to get there."""

    ended: float
    seconds: float
    up: bool = True
    """Whether every ledger could be read."""

    @property
    def began(self) -> float:
        """When it began, in seconds since 1970."""
        return self.ended - self.seconds


def passes(log: Sequence[str]) -> list[Pass]:
    """Read the refreshes from a log in JSON: the lines whose `msg` is `refreshed`, with their `seconds`."""
    found = []
    for line in log:
        if '"refreshed"' in line:
            entry = json.loads(line)
            if entry.get("msg") == "refreshed":
                up = all(value for key, value in entry.items() if key.endswith("_up"))
                found.append(Pass(datetime.fromisoformat(entry["ts"]).timestamp(), float(entry["seconds"]), up))
    return found


def free_port() -> int:
    """Return a port nobody listens on."""
    with socket.create_server((HOST, 0)) as probe:
        return int(probe.getsockname()[1])


@contextmanager
def running(
    name: str, ledgers: Ledgers, interval_seconds: float, ours: Mapping[str, Any] = DEFAULT
) -> Iterator[Running]:
    """Start an exporter on ledgers; it ends with the context. `ours` is configuration of this project's exporter."""
    with Stage() as stage:
        port = free_port()
        command = {
            OURS: lambda: _ours(stage.folder, port, ledgers, interval_seconds, ours),
            SQL_EXPORTER: lambda: _sql_exporter(stage.folder, port, ledgers, interval_seconds),
            QUERY_EXPORTER: lambda: _query_exporter(stage.folder, port, ledgers, interval_seconds),
            HANDWRITTEN: lambda: _handwritten(port, ledgers, interval_seconds),
        }[name]()
        environment = {
            key: value for key, value in os.environ.items() if not key.startswith(("LEDGER_EXPORTER_", "QE_"))
        }
        started = time.time()
        exporter = Running(name, stage.start(name, command, cwd=ROOT, env=environment), port, started)
        _wait_until_it_listens(exporter)
        yield exporter


def _wait_until_it_listens(exporter: Running) -> None:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline and not exporter.program.ended:
        try:
            exporter.body()
        except OSError:
            time.sleep(POLL_SECONDS)
        else:
            return
    raise BenchError(f"{exporter.name} does not listen; the end of its log:\n{exporter.program.last_words()}")


def _ours(folder: Path, port: int, ledgers: Ledgers, interval_seconds: float, settings: Mapping[str, Any]) -> list[str]:
    refresh = {
        "interval": f"{interval_seconds:g}s",
        "max_age": f"{max(4 * interval_seconds, 3600):g}s",
    }
    configuration = {
        "sources": {"main": {"dsn": ledgers.dsn_as(ROLES[OURS])}},
        "ledgers": _MAPPING,
        "refresh": refresh,
        **settings,
    }
    file = folder / "ledger-exporter.yml"
    file.write_text(json.dumps(configuration), "utf-8")  # which is YAML too
    options = [f"--config.file={file}", f"--web.listen-address={HOST}:{port}", "--log.format=json"]
    return [sys.executable, "-m", "exporter", "serve", *options]


def _sql_exporter(folder: Path, port: int, ledgers: Ledgers, interval_seconds: float) -> list[str]:
    queries = [
        {
            "name": question.metric,
            "help": question.name,
            "labels": list(question.labels),
            "values": [question.metric],
            "query": question.sql,
        }
        for question in QUESTIONS
    ]
    connection = ledgers.url_as(ROLES[SQL_EXPORTER], "postgres") + "&sslmode=disable"
    job = {"name": "ledgers", "interval": f"{interval_seconds:g}s", "connections": [connection], "queries": queries}
    file = folder / "sql-exporter.yml"
    file.write_text(yaml.safe_dump({"jobs": [job]}, sort_keys=False), "utf-8")
    return [
        tools.program("prometheus-sql-exporter"),
        "-config.file",
        str(file),
        "-web.listen-address",
        f"{HOST}:{port}",
    ]


def _query_exporter(folder: Path, port: int, ledgers: Ledgers, interval_seconds: float) -> list[str]:
    configuration = {
        "databases": {"ledgers": {"dsn": ledgers.url_as(ROLES[QUERY_EXPORTER], "postgresql+psycopg")}},
        "metrics": {
            question.metric: {"type": "gauge", "description": question.name, "labels": list(question.labels)}
            for question in QUESTIONS
        },
        "queries": {
            question.name: {
                "databases": ["ledgers"],
                "metrics": [question.metric],
                "interval": max(1, round(interval_seconds)),
                "sql": question.sql,
            }
            for question in QUESTIONS
        },
    }
    file = folder / "query-exporter.yml"
    file.write_text(yaml.safe_dump(configuration, sort_keys=False), "utf-8")
    return [str(tools.query_exporter()), "--host", HOST, "--port", str(port), "--config", str(file)]


def _handwritten(port: int, ledgers: Ledgers, interval_seconds: float) -> list[str]:
    options = ["--port", str(port), "--dsn", ledgers.dsn_as(ROLES[HANDWRITTEN]), "--interval", f"{interval_seconds:g}"]
    return [sys.executable, "-m", "bench.handwritten", *options]


def is_complete(body: bytes) -> bool:
    """Tell whether an exposition answers every question in window `all`, and no first load is under way."""
    missing = {question.metric for question in QUESTIONS} - {"ledger_quest_waste_usd"}
    for name, labels, value in agreement.samples(body):
        if name == "ledger_first_load_progress_ratio" and value < 1:
            return False
        if labels.get("window") == "all":
            missing.discard(name)
    return not missing


def knows_today(body: bytes) -> bool:
    """Tell whether an exposition has the spend of today."""
    found = agreement.sums(body)
    return ("ledger_provider_spend_usd", "today") in found and ("ledger_quest_spend_usd", "today") in found


@contextmanager
def nginx(files: Mapping[str, bytes]) -> Iterator[Running]:
    """Serve bytes as static files, plain and compressed beforehand: the limit of what a scrape can be."""
    with Stage() as stage:
        folder = stage.folder / "www"
        folder.mkdir(mode=0o755)
        for name, body in files.items():
            (folder / name).write_bytes(body)
            (folder / name).chmod(0o644)
        port = free_port()
        places = "\n".join(f"  {use}_temp_path {stage.folder}/{use};" for use in _NGINX_TEMPORARY)
        configuration = stage.folder / "nginx.conf"
        configuration.write_text(
            _NGINX.format(folder=stage.folder, www=folder, address=f"{HOST}:{port}", places=places)
        )
        command = [tools.program("nginx"), "-c", str(configuration), "-e", "stderr"]
        server = Running("nginx", stage.start("nginx", command), port, time.time())
        _wait_until_it_listens(server)
        yield server


_NGINX_TEMPORARY = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
_NGINX = """\
daemon off;
pid {folder}/nginx.pid;
worker_processes 1;
events {{ worker_connections 64; }}
http {{
{places}
  access_log off;
  sendfile on;
  keepalive_requests 100000000;
  default_type text/plain;
  gzip_static on;
  server {{ listen {address}; root {www}; }}
}}
"""
