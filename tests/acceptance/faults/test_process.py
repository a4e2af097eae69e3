"""The exporter's own process: told to end, killed, and left without memory, at any moment."""

from __future__ import annotations

import re
import resource
import signal
import socket
import statistics
import subprocess
import sys
import threading
import time
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import psycopg
import pytest

from tests.support.comparison import as_published, check, snapshot_instant
from tests.support.exporter_process import DEADLINE_SECONDS, ROOT, SOON_SECONDS, Exporter, eventually, sample
from tests.support.witness import LEDGERS

pytestmark = pytest.mark.slow

MEGABYTE = 1 << 20
MOMENTS = [0.15 * step for step in range(12)]
"""While Python starts, imports, connects, reads, serves: as shares of the time from its start to its first pass."""
MODELS = 200_000
SLOWLY = "tokens_in + coalesce(length(pg_sleep(0.00001)::text), 0)"
"""So that some ten thousand rows take seconds."""
LOADED = sample("ledger_first_load_progress_ratio", ledger="cost")


def is_up(exporter: Exporter) -> None:
    exporter.until(lambda scrape: all(scrape.get(sample("ledger_up", ledger=each)) for each in LEDGERS))


def backends(platform: psycopg.Connection[Any]) -> int:
    """How many connections exporters have to the database."""
    ((number,),) = platform.execute(
        "select count(*) from pg_stat_activity"
        " where application_name like 'ledger-exporter/%' and datname = current_database()"
    ).fetchall()
    return int(number)


@pytest.fixture
def command(config: Path) -> list[str]:
    """How the exporter is started."""
    options = [f"--config.file={config}", "--web.listen-address=127.0.0.1:0", "--log.format=json"]
    return [sys.executable, "-m", "exporter", "serve", *options]


def starts_within(config: Path) -> float:
    """Return how many seconds an exporter needs for its start and its first pass."""
    began = time.monotonic()
    with Exporter(config) as exporter:
        exporter.until_ready()
        return time.monotonic() - began


def ended_after(command: list[str], seconds: float) -> tuple[int, float, str]:
    """Start an exporter and tell it to end some time later: its exit code, how long it took, and what it said."""
    process = subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL, text=True)
    threading.Event().wait(seconds)
    process.send_signal(signal.SIGTERM)
    began = time.monotonic()
    _, said = process.communicate(timeout=DEADLINE_SECONDS)
    return process.returncode, time.monotonic() - began, said


def test_sigterm_at_any_moment(config: Path, command: list[str], platform: psycopg.Connection[Any]) -> None:
    """Exit code 0 once it serves; before, it ends by the signal. Soon, without a traceback, and nothing stays behind."""
    start = starts_within(config)
    with ThreadPoolExecutor(3) as at_once:
        ends = list(at_once.map(lambda moment: ended_after(command, moment * start), MOMENTS))

    for code, seconds, said in ends:
        assert code == 0 if '"listening"' in said else code in {0, -signal.SIGTERM}
        assert seconds < SOON_SECONDS
        assert "Traceback" not in said
        assert '"level": "error"' not in said
    assert statistics.median(seconds for _, seconds, _ in ends) < 3
    assert -signal.SIGTERM in {code for code, _, _ in ends}, "no moment was early enough"
    eventually(lambda: backends(platform) == 0, "connections stay behind")


def test_sigterm_while_the_first_process_of_a_container_loads() -> None:
    """The kernel spares the first process of a container a signal that nobody handles: it is handled before all else."""
    spared = "import os, exporter.__main__ as command; os.kill = lambda *_: None; command._end(15, None)"
    ended = subprocess.run([sys.executable, "-c", spared], cwd=ROOT, check=False, capture_output=True, text=True)
    loading = subprocess.Popen([sys.executable, "-m", "exporter", "--help"], cwd=ROOT, stdout=subprocess.PIPE)
    eventually(lambda: _handles(loading.pid, signal.SIGTERM), "SIGTERM is not handled while it loads")
    loading.communicate()

    assert (ended.returncode, ended.stderr) == (143, "")


def _handles(pid: int, number: int) -> bool:
    """Whether a process has a handler for a signal."""
    status = Path(f"/proc/{pid}/status").read_text()
    caught = next((line.split()[1] for line in status.splitlines() if line.startswith("SigCgt")), "0")
    return bool(int(caught, 16) >> (number - 1) & 1)


def test_sigkill_at_any_moment(config: Path, dsn: str, command: list[str], platform: psycopg.Connection[Any]) -> None:
    """The next process has the same port and the same figures at once, and no connection of the dead one stays."""
    with socket.create_server(("127.0.0.1", 0)) as found:
        listen = f"--web.listen-address=127.0.0.1:{found.getsockname()[1]}"

    for moment in (lambda: True, lambda: backends(platform)):  # before it has loaded; while it connects
        process = subprocess.Popen([*command, listen], cwd=ROOT, stderr=subprocess.DEVNULL, stdin=subprocess.DEVNULL)
        try:
            eventually(moment, "it does not connect")
        finally:
            process.kill()
        assert process.wait() == -signal.SIGKILL
    for seconds in (0.0, 0.05, 0.35):
        with Exporter(config, listen) as exporter:
            exporter.until_ready()
            threading.Event().wait(seconds)
            code, _ = exporter.end(signal.SIGKILL)
        assert code == -signal.SIGKILL
    platform.execute(
        "insert into cost_ledger (id, created_at, provider, task_id, tokens_in, cost_usd)"
        " select 1000 + n, now() - n * interval '1 minute', 'glm', 'task ' || n, 1, 1 from generate_series(1, 30000) as n"
    )
    with Exporter(slowed(config), listen) as exporter:
        eventually(lambda: any("cost_loaded" in event for event in exporter.events), "it is loaded at once")
        exporter.end(signal.SIGKILL)
    with Exporter(config, listen) as exporter:
        is_up(exporter)
        scrape = exporter.until(lambda scrape: scrape[LOADED] == 1)
        check([dsn], snapshot_instant(scrape), as_published(scrape))
        eventually(lambda: backends(platform) == 1, "connections stay behind")


def slowed(config: Path) -> Path:
    """The same configuration, by which rows of the cost ledger are read slowly."""
    found = config.with_name("slowly.yml")
    found.write_text(
        config.read_text().replace(
            "cost: {source: main}", f"cost: {{source: main, columns: {{tokens_in: {SLOWLY!r}}}}}"
        )
    )
    return found


def test_the_disk_of_the_log_is_full(config: Path) -> None:
    """Nothing can be told any more, and everything else goes on; it ends as if nothing were."""
    with socket.create_server(("127.0.0.1", 0)) as found:
        address = f"127.0.0.1:{found.getsockname()[1]}"
    command = [sys.executable, "-m", "exporter", "serve", f"--config.file={config}", f"--web.listen-address={address}"]

    def passes() -> float:
        try:
            with urllib.request.urlopen(f"http://{address}/metrics", timeout=DEADLINE_SECONDS) as answer:
                (found,) = re.findall(
                    r'^ledger_refreshes_total{ledger="cost"} (\S+)$', answer.read().decode(), re.MULTILINE
                )
        except OSError:
            return 0
        return float(found)

    with Path("/dev/full").open("wb") as full:
        process = subprocess.Popen(command, cwd=ROOT, stderr=full, stdin=subprocess.DEVNULL)
    try:
        eventually(lambda: passes() >= 3, "it does not refresh")
        process.send_signal(signal.SIGHUP)
        before = passes()
        eventually(lambda: passes() >= before + 3, "it does not go on")
        process.send_signal(signal.SIGTERM)
        assert process.wait(DEADLINE_SECONDS) == 0
    finally:
        process.kill()


def test_memory_limit(config: Path, dsn: str, platform: psycopg.Connection[Any]) -> None:
    """A ledger that does not fit is down, the last values stay, scrapes are answered; with memory again, so are the figures."""
    with Exporter(config) as exporter:
        is_up(exporter)
        before = exporter.scrape()
        status = Path(f"/proc/{exporter.process.pid}/status").read_text()
        used = int(status.split("VmSize:")[1].split()[0]) * 1024
        resource.prlimit(exporter.process.pid, resource.RLIMIT_AS, (used + 8 * MEGABYTE, resource.RLIM_INFINITY))
        platform.execute(
            "insert into cost_ledger (id, created_at, provider, model, task_id, cost_usd)"
            " select 1000 + n, now(), 'glm', 'model ' || md5(n::text), 'task ' || md5(n::text), 1"
            f" from generate_series(1, {MODELS}) as n"
        )
        down = exporter.until(lambda scrape: scrape[sample("ledger_up", ledger="cost")] == 0)
        seen = sample("ledger_provider_spend_usd", provider="GLM", window="all")
        assert (before.get(seen), down.get(seen)) == (None, None)
        platform.execute("delete from cost_ledger where id > 1000")
        resource.prlimit(exporter.process.pid, resource.RLIMIT_AS, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        is_up(exporter)
        scrape = exporter.until(lambda scrape: scrape[sample("ledger_up", ledger="cost")] == 1)
        check([dsn], snapshot_instant(scrape), as_published(scrape))
        assert exporter.process.poll() is None
