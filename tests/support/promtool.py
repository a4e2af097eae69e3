"""promtool as a judge of expositions."""

from __future__ import annotations

import subprocess

NOTHING_TO_SAY = (0, "", "")


def check_metrics(exposition: bytes) -> tuple[int, str, str]:
    """What promtool says of an exposition: its exit code, output and errors."""
    checked = subprocess.run(["promtool", "check", "metrics"], input=exposition, capture_output=True, check=False)
    return checked.returncode, checked.stdout.decode(), checked.stderr.decode()
