"""What telling the past takes: `python -m bench.backfill`, 60 days of the demo's ledgers in steps of an hour, into a file.

The command runs in a process of its own, as an operator runs it. Times and memory are that process's, without the database's.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import click
import psycopg

from bench import database
from bench.errors import BenchError
from exporter.demo import history
from exporter.demo.platform import Platform

CONFIGURATION = """\
sources: {{main: {{dsn: "{dsn}"}}}}
ledgers: {{cost: {{source: main}}, impact: {{source: main}}, budget: {{source: main}}}}
"""

LABELS = "--label=job=ledger-exporter", "--label=instance=127.0.0.1:9851"

_COMMAND = """
import atexit, json, os, sys

def tell():
    with open("/proc/self/status") as status:
        (peak,) = [line.split()[1] for line in status if line.startswith("VmHWM:")]
    spent = os.times()
    print(json.dumps([spent.user + spent.system, int(peak) * 1024 / 1e6]), file=sys.stderr)

atexit.register(tell)
from exporter.cli import main
main()
"""
"""The command line, which in the end tells of itself. What the system tells of a child may be its parent's memory."""


@dataclass(frozen=True)
class Spent:
    """What a process took: seconds, of which on the processor, the most memory it ever held, and what it said."""

    seconds: float
    processor_seconds: float
    peak_mb: float
    said: str


def measured(*arguments: str) -> Spent:
    """Run `ledger-exporter backfill` to its end.

    Raises:
        BenchError: it failed.
    """
    began = time.monotonic()
    command = [sys.executable, "-c", _COMMAND, "backfill", *arguments]
    done = subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, check=False)  # noqa: S603 - ours
    seconds = time.monotonic() - began
    if done.returncode:
        raise BenchError(f"backfill failed: {done.stderr}")
    *said, figures = done.stderr.splitlines()
    return Spent(seconds, *json.loads(figures), "\n".join(said))


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--days", type=click.IntRange(1, 365), default=60, show_default=True, help="How many days are told.")
@click.option("--step", default="1h", show_default=True, help="From instant to instant.")
def main(days: int, step: str) -> None:
    """Measure what telling the past of the demo's ledgers takes. Of 60 days the file has 1 GB: see TMPDIR."""
    with database.serve() as server, server.database() as dsn, tempfile.TemporaryDirectory() as folder:
        now = datetime.now(UTC)
        with psycopg.connect(dsn, autocommit=True) as connection:
            history.is_loaded(connection)
            history.load(connection, Platform(), now, days=days)
        config = Path(folder, "ledger-exporter.yml")
        config.write_text(CONFIGURATION.format(dsn=dsn), "utf-8")
        spent = measured(
            f"--config.file={config}", f"--from={days}d", f"--step={step}", f"--output={folder}/history.om", *LABELS
        )
    click.echo(spent.said)
    click.echo(
        f"{spent.seconds:.0f} s, {spent.processor_seconds:.0f} s of them on the processor, {spent.peak_mb:.0f} MB of memory"
    )


if __name__ == "__main__":
    main()
