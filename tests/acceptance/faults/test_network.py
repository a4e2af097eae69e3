"""The network before the database breaks, hangs and crawls."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.support import postgres
from tests.support.comparison import as_published, check, snapshot_instant
from tests.support.exporter_process import ROOT, Exporter, eventually, sample
from tests.support.proxy import Proxy
from tests.support.scene import TIMEOUT_SECONDS, Scene, configure, furnish

pytestmark = pytest.mark.slow

GIVEN_UP = f"no answer within {TIMEOUT_SECONDS} s"


def test_cut(scene: Scene, network: Proxy) -> None:
    """Connections are reset, new ones refused."""
    scene.endures(network.cut, network.mend, says="refused")


def test_black_holed(scene: Scene, network: Proxy) -> None:
    """Packets go nowhere and nobody is told: the exporter gives up by its own clock, and no thread waits for ever."""
    scene.endures(network.swallow, network.mend, says=GIVEN_UP)


def test_too_slow(scene: Scene, network: Proxy) -> None:
    """Every answer comes, too late."""
    scene.endures(lambda: network.drag(seconds_a_piece=1), network.mend, says=GIVEN_UP)


def test_slow(scene: Scene, network: Proxy) -> None:
    """Answers take their time, as over a continent, and a refresh is still done in time."""
    scene.shrugs_off(lambda: network.drag(seconds_a_piece=0.02), network.mend)


def test_byte_by_byte(server: postgres.Server, tmp_path: Path) -> None:
    """Every byte comes in a packet of its own, in both directions: nothing is torn, nothing is lost."""
    database = furnish(server)
    command = [sys.executable, "-m", "tests.support.proxy", str(server.directory), "1"]
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as network:
        assert network.stdout is not None
        port = int(network.stdout.readline())
        dsn = f"host=127.0.0.1 port={port} sslmode=disable user=postgres dbname={database}"
        with Exporter(configure(tmp_path / "c.yml", dsn, timeout="2m")) as exporter:
            passes = sample("ledger_refreshes_total", ledger="cost")
            eventually(lambda: exporter.scrape().get(passes, 0) >= 4, "it does not refresh", seconds=300)
            scrape = exporter.scrape()
            assert scrape[sample("ledger_refresh_failures_total", ledger="cost")] == 0
            check([server.dsn(database)], snapshot_instant(scrape), as_published(scrape))
        network.communicate()
    server.drop_database(database)
