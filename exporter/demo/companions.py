"""Prometheus, Alertmanager and Grafana beside the demo: those that are on the PATH, with the repository's own configuration.

They listen on 127.0.0.1 and keep their data on the stage. A port that is taken (a Prometheus may well run as a service already)
is passed over for the next free one.
"""

from __future__ import annotations

import os
import shutil
import socket
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import exporter

if TYPE_CHECKING:
    from collections.abc import Callable

    from exporter.demo.stage import Program, Stage

HOST = "127.0.0.1"
PORTS_TRIED = 50
DASHBOARD = "/d/ledger-resources"
ANONYMOUS = {
    "GF_AUTH_ANONYMOUS_ENABLED": "true",
    "GF_AUTH_ANONYMOUS_ORG_ROLE": "Viewer",
    # Nothing leaves this machine.
    "GF_ANALYTICS_REPORTING_ENABLED": "false",
    "GF_ANALYTICS_CHECK_FOR_UPDATES": "false",
    "GF_ANALYTICS_CHECK_FOR_PLUGIN_UPDATES": "false",
    "GF_PLUGINS_PREINSTALL_DISABLED": "true",
    "GF_NEWS_NEWS_FEED_ENABLED": "false",
}


@dataclass(frozen=True)
class Companion:
    """A program that may run beside the demo: the names it goes by, the port it prefers, where it says it is ready."""

    title: str
    commands: tuple[str, ...]
    port: int
    ready: str
    page: str = "/"

    def find(self) -> str | None:
        """Its path, where it is installed."""
        return next((path for command in self.commands if (path := shutil.which(command))), None)


PROMETHEUS = Companion("Prometheus", ("prometheus",), 9090, "/-/ready")
ALERTMANAGER = Companion("Alertmanager", ("alertmanager", "prometheus-alertmanager"), 9093, "/-/ready")
GRAFANA = Companion("Grafana", ("grafana", "grafana-server"), 3000, "/api/health", DASHBOARD)
COMPANIONS = (PROMETHEUS, ALERTMANAGER, GRAFANA)


@dataclass(frozen=True)
class Running:
    """A companion that has been started."""

    companion: Companion
    program: Program
    url: str


@dataclass(frozen=True)
class Wiring:
    """What a companion has to know: the checkout, the stage's folder, the Prometheus configuration there, everyone's port."""

    source: Path
    folder: Path
    prometheus: Path
    ports: dict[Companion, int]

    def url(self, companion: Companion) -> str:
        """Where a companion answers, or would if it ran."""
        return f"http://{HOST}:{self.ports.get(companion, companion.port)}"


def repository() -> Path | None:
    """The source checkout this package runs from, which holds the configuration; None where it is installed alone."""
    folder = Path(exporter.__file__).resolve().parents[1]
    return folder if (folder / "prometheus" / "prometheus.yml").exists() else None


def start(stage: Stage, source: Path, exporter_address: str) -> list[Running]:
    """Start the companions that are installed, with the configuration of a source checkout, to watch an exporter."""
    found = {companion: path for companion in COMPANIONS if (path := companion.find())}
    ports: dict[Companion, int] = {}
    for companion in found:
        ports[companion] = _free_port(companion.port, set(ports.values()))
    prometheus = _prometheus_folder(stage.folder, source, exporter_address, ports.get(ALERTMANAGER))
    wiring = Wiring(source, stage.folder, prometheus, ports)
    running = []
    for companion, path in found.items():
        command, environment = COMMANDS[companion](path, wiring)
        program = stage.start(companion.title.lower(), command, env=os.environ | environment, cwd=stage.folder)
        running.append(Running(companion, program, wiring.url(companion)))
    return running


def is_free(host: str, port: int) -> bool:
    """Whether a port can be listened on."""
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
    return True


def _free_port(preferred: int, taken: set[int]) -> int:
    candidates = (port for port in range(preferred, preferred + PORTS_TRIED) if port not in taken)
    return next((port for port in candidates if is_free(HOST, port)), preferred)


def _prometheus_folder(folder: Path, source: Path, exporter_address: str, alertmanager_port: int | None) -> Path:
    """A copy of the checkout's Prometheus configuration whose target files name this demo's addresses."""
    copy = folder / "prometheus-configuration"
    shutil.copytree(source / "prometheus", copy, ignore=shutil.ignore_patterns("tests", "targets"))
    targets = copy / "targets"
    targets.mkdir()
    (targets / "ledger-exporter.yml").write_text(f'- targets: ["{exporter_address}"]\n')
    (targets / "alertmanager.yml").write_text(
        f'- targets: ["{HOST}:{alertmanager_port}"]\n' if alertmanager_port else "[]\n"
    )
    return copy


Command = tuple[list[str | Path], dict[str, str]]


def _prometheus(path: str, wiring: Wiring) -> Command:
    return [
        path,
        f"--config.file={wiring.prometheus / 'prometheus.yml'}",
        f"--storage.tsdb.path={wiring.folder / 'prometheus'}",
        f"--web.listen-address={HOST}:{wiring.ports[PROMETHEUS]}",
        f"--web.external-url={wiring.url(PROMETHEUS)}/",
    ], {}


def _alertmanager(path: str, wiring: Wiring) -> Command:
    return [
        path,
        f"--config.file={wiring.prometheus / 'alertmanager.yml'}",
        f"--storage.path={wiring.folder / 'alertmanager'}",
        f"--web.listen-address={HOST}:{wiring.ports[ALERTMANAGER]}",
        f"--web.external-url={wiring.url(ALERTMANAGER)}/",
        "--cluster.listen-address=",
    ], {}


def _grafana(path: str, wiring: Wiring) -> Command:
    data = wiring.folder / "grafana"
    environment = ANONYMOUS | {
        "GF_PATHS_DATA": str(data),
        "GF_PATHS_LOGS": str(data / "log"),
        "GF_PATHS_PLUGINS": str(data / "plugins"),
        "GF_PATHS_PROVISIONING": str(wiring.source / "grafana" / "provisioning"),
        "GF_SERVER_HTTP_ADDR": HOST,
        "GF_SERVER_HTTP_PORT": str(wiring.ports[GRAFANA]),
        "LEDGER_PROMETHEUS_URL": wiring.url(PROMETHEUS),
        "LEDGER_DASHBOARDS_PATH": str(wiring.source / "grafana" / "dashboards"),
    }
    # Since version 9.4 one program serves as server and client.
    subcommand = ["server"] if Path(path).name == "grafana" else []
    homes = [Path(path).resolve().parents[1], Path("/usr/share/grafana")]
    home = [f"--homepath={home}" for home in homes if (home / "conf" / "defaults.ini").exists()][:1]
    return [path, *subcommand, *home], environment


COMMANDS: dict[Companion, Callable[[str, Wiring], Command]] = {
    PROMETHEUS: _prometheus,
    ALERTMANAGER: _alertmanager,
    GRAFANA: _grafana,
}
