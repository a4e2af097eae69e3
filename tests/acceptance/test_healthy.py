"""The image's health check: alive is who answers, though it be that a password or certificate is missing."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from exporter.web import healthy
from tests.support.certificates import Authority
from tests.support.exporter_process import ROOT, Exporter
from tests.support.sizes import sizes

HASH = "$2b$04$7ctQG/VkHRbwJjEU4hTUtOxFqyuyDSzQFbx8qmyWM6LN/9pTF0Uqu"
TLS = {"cert_file": "server.crt", "key_file": "server.key"}
MUTUAL = {"client_auth_type": "RequireAndVerifyClientCert", "client_ca_file": "authority.pem"}


def check(address: str, web_config: Path | None) -> int:
    """Run the check as the image does, told by the environment alone; return its exit code."""
    environment = {"LEDGER_EXPORTER_WEB_LISTEN_ADDRESS": address, **os.environ}
    if web_config:
        environment["LEDGER_EXPORTER_WEB_CONFIG_FILE"] = str(web_config)
    return subprocess.run(
        [sys.executable, "-m", "exporter.web.healthy"], cwd=ROOT, env=environment, check=False
    ).returncode


@pytest.mark.parametrize(
    "sections",
    [
        {},
        {"basic_auth_users": {"prometheus": HASH}},
        {"tls_server_config": TLS, "basic_auth_users": {"prometheus": HASH}},
        {"tls_server_config": {**TLS, **MUTUAL, "min_version": "TLS13"}},
        {"tls_server_config": {**TLS, **MUTUAL, "max_version": "TLS12"}},
    ],
    ids=["open", "password", "TLS and password", "mutual TLS 1.3", "mutual TLS 1.2"],
)
def test_an_exporter_that_answers_is_alive(config: Path, tmp_path: Path, sections: dict[str, Any]) -> None:
    """Whatever it asks for, and whether or not the check knows."""
    Authority(tmp_path).server()
    web_config = tmp_path / "web.yml"
    web_config.write_text(yaml.safe_dump(sections))
    with Exporter(config, f"--web.config.file={web_config}") as exporter:
        assert [check(exporter.address, known) for known in (web_config, None)] == [0, 0]


def test_nobody_there_is_not_alive() -> None:
    with socket.create_server(("127.0.0.1", 0)) as found:
        address = f"127.0.0.1:{found.getsockname()[1]}"

    assert check(address, None) == 1


def test_somebody_who_never_answers_is_not_alive() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent, sizes(healthy_seconds=0.1):
        assert not healthy.is_alive(f"127.0.0.1:{silent.getsockname()[1]}", encrypted=False)


def test_it_loads_little() -> None:
    """It runs every ten seconds, beside the exporter: neither its dependencies nor its code are loaded."""
    script = "import sys, exporter.web.healthy; print({'pydantic', 'psycopg', 'yaml', 'uvloop'} & sys.modules.keys())"
    loaded = subprocess.run([sys.executable, "-c", script], cwd=ROOT, check=True, capture_output=True, text=True).stdout

    assert loaded == "set()\n"
