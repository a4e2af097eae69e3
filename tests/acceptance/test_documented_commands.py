"""The commands of the documentation that need no more than a ledger, run by a shell as a reader would run them, page by page.

Those of the README's installation are followed by `test_readme.py`; what is run nowhere stands in
`tests/unit/test_documented_commands.py`, with the reason.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg
import pytest

from tests.support.documented import NEEDS_A_CLUSTER, PAGES, PROGRAM, ROOT, commands_of, is_run
from tests.support.exporter_process import Exporter, eventually
from tests.support.ledgers import configure
from tests.support.processes import free_port, is_ready, process
from tests.support.tools import tool

KUBECTL = '#!/bin/sh\n[ "$1" = kustomize ] && shift && exec kustomize build "$@"\n'
"""Kustomize as kubectl has it, where there is no kubectl."""

OUT_OF_ORDER = "storage: {tsdb: {out_of_order_time_window: 90d}}"

QUEST = """
insert into quest_budget_allocations
select 'tau-spread', 'Tau Spread Atlas', (now() at time zone 'utc')::date - age, 10, 5 from generate_series(0, 9) as age
"""


SCRIPTS = {
    page.relative_to(ROOT).as_posix(): commands
    for page in PAGES
    if (commands := [command for command in commands_of(page) if is_run(page, command)])
}


@pytest.fixture(scope="module")
def place(shared_dsn: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a configuration and a copy of this repository's files, for a ledger with what the documentation names."""
    folder = tmp_path_factory.mktemp("documented")
    with psycopg.connect(shared_dsn, autocommit=True) as connection:
        connection.execute(QUEST)
    configure(folder / "ledger-exporter.yml", shared_dsn)
    (folder / "web.yml").write_text("http_server_config: {headers: {X-Frame-Options: deny}}\n")
    (folder / "ca.pem").write_text("a certificate\n")
    (folder / "units").mkdir()
    for part in ("deploy", "prometheus", "grafana/dashboards"):
        shutil.copytree(ROOT / part, folder / part)
    shutil.copy(ROOT / "Makefile", folder)
    (folder / "bin").mkdir()
    if Path(tool("kustomize")).name != "kubectl":
        (folder / "bin" / "kubectl").write_text(KUBECTL)
        (folder / "bin" / "kubectl").chmod(0o755)
    return folder


@pytest.fixture(scope="module")
def receivers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mapping[str, str]]:
    """A VictoriaMetrics and a Prometheus that take what is written to them, as the page on backfilling starts them."""
    folder = tmp_path_factory.mktemp("receivers")
    settings = folder / "prometheus.yml"
    settings.write_text(OUT_OF_ORDER)
    victoria, prometheus = (f"127.0.0.1:{free_port()}" for _ in range(2))
    with ExitStack() as running:
        running.enter_context(process(
            folder, tool("victoria-metrics"), f"-httpListenAddr={victoria}", f"-storageDataPath={folder / 'victoria'}",
        ))  # fmt: skip
        running.enter_context(process(
            folder, tool("prometheus"), f"--config.file={settings}", f"--storage.tsdb.path={folder / 'data'}",
            f"--web.listen-address={prometheus}", "--web.enable-remote-write-receiver",
        ))  # fmt: skip
        for address in (victoria, prometheus):
            eventually(lambda address=address: is_ready(address), f"{address} is not ready; its log is in {folder}")
        yield {"http://127.0.0.1:8428": f"http://{victoria}", "http://127.0.0.1:9090": f"http://{prometheus}"}


@pytest.fixture(scope="module")
def names(place: Path, receivers: Mapping[str, str]) -> Iterator[Mapping[str, str]]:
    """What stands in the documentation for a place of the reader's own, and what it is here; days are fewer."""
    with Exporter(place / "ledger-exporter.yml") as running:
        running.until_ready()
        now = datetime.now(UTC)
        yield {
            "2026-04-01": f"{now - timedelta(days=2):%Y-%m-%d}",
            "2026-06-01T09:30:00Z": f"{now - timedelta(days=1):%Y-%m-%dT%H:%M:%SZ}",
            "--from=365d": "--from=5d",
            "--from=60d": "--from=12h",
            "http://127.0.0.1:9851": f"http://{running.address}",
            **receivers,
            "/etc/ledger-exporter/web.yml": str(place / "web.yml"),
            "/etc/ledger-exporter": str(place / "etc/ledger-exporter"),
            "/etc/systemd/system": str(place / "units"),
            "/var/lib/prometheus": str(place / "tsdb"),
            ".venv/bin/python": sys.executable,
        }


def shell(script: str, place: Path, names: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    """Run commands in the place, with the names that things have here; what they ask for is `secret`."""
    for written, here in names.items():
        script = script.replace(written, here)
    assert all(map(tool, ("curl", "jq", "promtool")))
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}:{place / 'bin'}"
    return subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script], cwd=place, input="secret\n", start_new_session=True,
        env={**os.environ, "PATH": path}, capture_output=True, text=True, check=False,
    )  # fmt: skip


@pytest.mark.tools
@pytest.mark.parametrize("page", SCRIPTS)
def test_it_does_what_the_page_says(page: str, place: Path, names: Mapping[str, str]) -> None:
    """In the order of the page, each to its end, and without an error."""
    script = "\n".join(NEEDS_A_CLUSTER.sub("", command) for command in SCRIPTS[page])

    done = shell(script, place, names)

    assert done.returncode == 0, f"{script}\n{done.stdout}{done.stderr}"
    assert done.stdout or not any(PROGRAM.match(command) for command in SCRIPTS[page])


@pytest.mark.tools
def test_the_service_finds_its_files(place: Path, names: Mapping[str, str]) -> None:
    """After the commands of its page, which make the folder too; the password is for its owner alone."""
    shutil.rmtree(place / "etc", ignore_errors=True)
    assert shell("\n".join(SCRIPTS["docs/systemd.md"]), place, names).returncode == 0
    password = place / "etc/ledger-exporter/password"

    assert (password.read_text(), password.stat().st_mode & 0o777) == ("secret\n", 0o600)
    assert (place / "etc/ledger-exporter/ca.pem").stat().st_mode & 0o004
    assert (place / "units/ledger-exporter.service").exists()


@pytest.mark.tools
def test_who_asks_right_after_the_start_is_answered_once_there_is_something_to_say(place: Path) -> None:
    """The service is started when its program is, which has not opened its port by then."""
    (command,) = (command for command in SCRIPTS["docs/systemd.md"] if command.startswith("curl "))
    address = f"127.0.0.1:{free_port()}"
    assert tool("curl")
    asking = subprocess.Popen(["bash", "-c", command.replace("127.0.0.1:9851", address)], stdout=subprocess.PIPE)
    with Exporter(place / "ledger-exporter.yml", f"--web.listen-address={address}"):
        said, _ = asking.communicate()

    assert (asking.returncode, said) == (0, b"ledger-exporter is ready\n")


@pytest.mark.tools
def test_alerts_link_to_the_grafana_that_is_named(place: Path, names: Mapping[str, str]) -> None:
    """After the command of the runbooks' page."""
    assert shell("\n".join(SCRIPTS["docs/runbooks/README.md"]), place, names).returncode == 0
    rules = "".join(file.read_text() for file in (place / "prometheus/rules").glob("*.yml"))

    assert "https://grafana.example.org/d/" in rules
    assert "localhost:3000" not in rules


def test_they_are_found() -> None:
    """Each page of a command has one, and so has each page on running it somewhere."""
    commands = {"docs/backfill.md", "docs/check.md", "docs/reconcile.md", "docs/report.md"}

    assert commands | {"docs/kubernetes.md", "docs/systemd.md", "docs/runbooks/README.md"} <= SCRIPTS.keys()
