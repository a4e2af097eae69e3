"""What is installed is what is locked, and nothing is installed without its hash; the audit says what it knows, and no more."""

from __future__ import annotations

import json
import os
import re
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).parents[2]
LOCKED = sorted(ROOT.glob("requirements*.txt"))
INSTALLERS = (
    "Makefile", "Dockerfile", "scripts/make-venv", "scripts/audit", "scripts/release", ".ci/run",
    "README.md", "docs/systemd.md",
)  # fmt: skip
WHEEL = re.compile(r"--no-deps \S+\.whl$")
HASH = re.compile(r"--hash=sha256:[0-9a-f]{64}")
KNOWS_NOTHING, UNREACHABLE = 1, 3


def requirements(file: Path) -> list[str]:
    """The requirements of a file, each on one line with its hashes."""
    lines = file.read_text().replace("\\\n", " ").splitlines()
    return [line for line in lines if line.strip() and not line.startswith("#")]


@pytest.mark.parametrize("file", LOCKED, ids=lambda file: file.name)
def test_every_requirement_is_one_version_with_its_hashes(file: Path) -> None:
    assert requirements(file)
    for line in requirements(file):
        requirement = Requirement(HASH.sub("", line).strip())
        assert re.fullmatch(r"==[^*,]+", str(requirement.specifier)), line[:80]
        assert HASH.search(line), line[:80]


def test_what_runs_is_what_is_locked() -> None:
    """So the tests are of the versions that users get."""
    for line in requirements(ROOT / "requirements.txt"):
        requirement = Requirement(HASH.sub("", line).strip())
        if requirement.marker is None or requirement.marker.evaluate():
            assert requirement.specifier.contains(metadata.version(requirement.name), prereleases=True), requirement


@pytest.mark.parametrize("file", INSTALLERS)
def test_nothing_is_installed_without_a_hash(file: str) -> None:
    """But for this project itself: its dependencies, and what builds it, are there by then."""
    text = (ROOT / file).read_text().replace("\\\n", " ")
    steps = [line.strip() for line in re.split(r"\n|&&", text)]
    installs = [
        line for line in steps if re.search(r"\bpip\b.* (install|wheel) ", line) and "--require-hashes" not in line
    ]

    assert [
        line
        for line in installs
        if not {"--no-deps", "--no-build-isolation"} <= {*line.split()} and not WHEEL.search(line)
    ] == []


class Answers(BaseHTTPRequestHandler):
    """An advisory database that answers everything alike."""

    answer: dict[str, Any]

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["content-length"]))
        self.send_response(200)
        self.end_headers()
        self.wfile.write(json.dumps(self.answer).encode())

    def log_message(self, *_: object) -> None:  # type: ignore[override]
        """Say nothing."""


@contextmanager
def database(answer: dict[str, Any]) -> Iterator[str]:
    """An advisory database that always gives this answer."""
    server = HTTPServer(("127.0.0.1", 0), type("Always", (Answers,), {"answer": answer}))
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def audit(address: str) -> subprocess.CompletedProcess[str]:
    """Run the audit against a database."""
    environment = {**os.environ, "AUDIT_DATABASE": address, "no_proxy": "127.0.0.1"}
    return subprocess.run(["scripts/audit"], cwd=ROOT, env=environment, capture_output=True, text=True, check=False)


def test_an_audit_that_reaches_nobody_says_so() -> None:
    """It is no success, and no vulnerability either."""
    with database({}) as address:
        pass
    done = audit(address)

    assert done.returncode == UNREACHABLE
    assert "NOT AUDITED" in done.stderr


def test_an_audit_does_not_trust_silence() -> None:
    """A database that knows nothing of a package with a known vulnerability knows nothing of the others."""
    with database({}) as address:
        done = audit(address)

    assert done.returncode == KNOWS_NOTHING
    assert "does not know a vulnerability that it should know" in done.stderr
