"""How the demo finds and wires Prometheus, Alertmanager and Grafana."""

import socket
from pathlib import Path

import pytest

from exporter.demo import companions


def test_a_taken_port_is_not_free():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        assert not companions.is_free("127.0.0.1", taken.getsockname()[1])


def test_a_free_port_is_free():
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    assert companions.is_free("127.0.0.1", port)


def test_the_checkout_holds_what_is_wired():
    source = companions.repository()
    assert source is not None
    assert (source / "prometheus" / "alertmanager.yml").exists()
    assert (source / "grafana" / "provisioning").is_dir()


@pytest.mark.parametrize("companion", companions.COMPANIONS, ids=lambda companion: companion.title)
def test_a_companion_listens_on_this_machine_alone(companion, tmp_path):
    wiring = companions.Wiring(tmp_path, tmp_path, tmp_path, dict.fromkeys(companions.COMPANIONS, 1234))
    command, environment = companions.COMMANDS[companion]("/opt/a/bin/b", wiring)
    said = [*map(str, command), *(f"{name}={value}" for name, value in environment.items())]
    assert any("127.0.0.1" in word for word in said)
    assert Path(command[0]) == Path("/opt/a/bin/b")
