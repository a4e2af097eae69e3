"""The command, run until it ends by itself: forked off a process that has loaded the program.

To load it is most of what a command costs, and the same each time. A command still has a process of its own, with its own
arguments, environment, output and exit code; `tests.support.exporter_process.Exporter` starts one from nothing.
"""

from __future__ import annotations

import multiprocessing
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

ROOT = Path(__file__).parents[2]
COMMAND_SECONDS = 300.0
"""For a command to end: long, because a machine may be slow and busy."""
LOADED = ("cli", "check.command", "reconcile.command", "report.command", "backfill.command")

_forks = multiprocessing.get_context("forkserver")
_forks.set_forkserver_preload([f"exporter.{module}" for module in LOADED])


def run(*arguments: str, environment: Mapping[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    """Run the command in the root of the checkout until it ends. Raises subprocess.TimeoutExpired."""
    with tempfile.TemporaryDirectory() as folder:
        said = Path(folder) / "stdout", Path(folder) / "stderr"
        process = _forks.Process(target=_command, args=(arguments, {**os.environ, **(environment or {})}, said))
        process.start()
        process.join(COMMAND_SECONDS)
        if process.exitcode is None:
            process.kill()
            process.join()
            raise subprocess.TimeoutExpired(arguments, COMMAND_SECONDS, *(file.read_bytes() for file in said))
        output, errors = (file.read_text() for file in said)
        return subprocess.CompletedProcess(arguments, process.exitcode, output, errors)


def _command(arguments: Sequence[str], environment: Mapping[str, str], said: tuple[Path, Path]) -> None:
    """Become the command."""
    from exporter.__main__ import main  # noqa: PLC0415 - it is loaded already, and nothing of it here

    files = [os.open(os.devnull, os.O_RDONLY), *(os.open(file, os.O_WRONLY | os.O_CREAT, 0o600) for file in said)]
    for number, file in enumerate(files):
        os.dup2(file, number)
    os.chdir(ROOT)
    os.environ.clear()
    os.environ.update(environment)
    time.tzset()
    sys.argv = ["ledger-exporter", *arguments]
    main()
