"""promtool as a judge of expositions, rules and configurations."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from tests.support.tools import tool

NOTHING_TO_SAY = (0, "", "")


def promtool(*arguments: str | Path) -> tuple[int, str]:
    """Its exit code, and all it says. It takes more memory for less time: a quarter of its time goes into freeing memory."""
    ended = subprocess.run(
        [tool("promtool"), *arguments], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False,
        env={**os.environ, "GOGC": "800"},
    )  # fmt: skip
    return ended.returncode, ended.stdout


def check_metrics(exposition: bytes) -> tuple[int, str, str]:
    """What promtool says of an exposition: its exit code, output and errors."""
    checked = subprocess.run([tool("promtool"), "check", "metrics"], input=exposition, capture_output=True, check=False)
    return checked.returncode, checked.stdout.decode(), checked.stderr.decode()
