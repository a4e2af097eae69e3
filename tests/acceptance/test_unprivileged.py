"""As in the image: an ordinary user without capabilities, and nothing that it may write to."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.exporter_process import ROOT, Exporter, sample
from tests.support.ledgers import configure

USER = 10001
WRITING_NOTHING = ("sh", "-c", 'cd "$0" && ulimit -f 0 && exec "$@"')
"""In a folder, with files of no byte: whatever is written to one, wherever, is an error."""


def drop(user: int) -> tuple[str, ...]:
    """The command that makes root a user without any privilege, and runs another."""
    privileges = ("--clear-groups", "--bounding-set=-all", "--inh-caps=-all", "--no-new-privs")
    return ("setpriv", f"--reuid={user}", f"--regid={user}", *privileges)


def somebody() -> int:
    """An ordinary user; where the checkout is closed to all others its owner, whom root's rights do not help either."""
    imports = [*drop(USER), sys.executable, "-c", "import exporter.cli"]
    reaches = subprocess.run(imports, cwd="/", env={"PYTHONPATH": str(ROOT)}, capture_output=True, check=False)
    return USER if reaches.returncode == 0 else ROOT.stat().st_uid


@pytest.fixture
def closed() -> Iterator[Path]:
    """A folder that everybody may look into and nobody may write to."""
    folder = Path(tempfile.mkdtemp(prefix="closed-"))
    yield folder
    folder.chmod(0o700)
    shutil.rmtree(folder)


def test_it_serves_without_privileges_and_writes_nothing(dsn: str, closed: Path) -> None:
    """Root becomes somebody else for this; whoever else runs the tests is somebody else already."""
    config = configure(closed / "ledger-exporter.yml", dsn)
    config.chmod(0o444)
    closed.chmod(0o555)
    environment = {
        "PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1", "HOME": "/nonexistent", "TMPDIR": str(closed),
    }  # fmt: skip
    user = somebody() if os.geteuid() == 0 else os.geteuid()
    dropped = drop(user) if os.geteuid() == 0 else ()
    program = (*WRITING_NOTHING, str(closed), *dropped, sys.executable, "-m", "exporter")
    with Exporter(config, program=program, environment=environment) as exporter:
        exporter.wait_for("refreshed", cost_up=True, impact_up=True, budget_up=True)
        status = Path(f"/proc/{exporter.process.pid}/status").read_text()
        served = exporter.scrape()
        page = exporter.ask("/")
        exporter.send(signal.SIGHUP)
        exporter.wait_for("configuration reloaded")
        code, _ = exporter.end(signal.SIGTERM)

    assert served[sample("ledger_up", ledger="cost")] == 1
    assert page.status == 200
    assert "\nCapEff:\t0000000000000000\n" in status
    assert f"\nUid:\t{user}\t" in status
    assert [file.name for file in closed.iterdir()] == ["ledger-exporter.yml"]
    assert code == 0
