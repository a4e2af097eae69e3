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

from packaging.requirements import Requirement

from tests.support.complaints import each
from tests.support.passages import ROOT, Passage, whole

LOCKED = sorted(ROOT.glob("requirements*.txt"))
INSTALLERS = (
    "Makefile", "Dockerfile", "scripts/make-venv", "scripts/audit", "scripts/release", ".ci/run",
    "README.md", "docs/systemd.md",
)  # fmt: skip
WHEEL = re.compile(r"--no-deps \S+\.whl$")
HASH = re.compile(r"--hash=sha256:[0-9a-f]{64}")
LINE = r"(?:\\\n|.)+"
STEP = r"(?:&&)?((?:\\\n|(?!&&).)+)"
"""A part of a line of shell, up to the next `&&`."""

KNOWS_NOTHING, UNREACHABLE = 1, 3


def joined(file: Path, pattern: str) -> list[Passage]:
    """Every match of a pattern in a file, each in one line without the backslashes that join its lines."""
    return [Passage(file, found.line, found.text.replace("\\\n", " ").strip()) for found in whole(file).find(pattern)]


def requirements(file: Path) -> list[Passage]:
    """The requirements of a file, each on one line with its hashes."""
    return [line for line in joined(file, LINE) if line.text and not line.text.startswith("#")]


def parsed(requirement: Passage) -> Requirement:
    """A requirement without its hashes."""
    return Requirement(HASH.sub("", requirement.text).strip())


def place(requirement: Passage) -> str:
    """Where a requirement stands, without its hashes."""
    return str(requirement).partition("--hash")[0].strip()


@each(LOCKED, place=lambda file: file.name)
def test_every_file_has_requirements(file: Path) -> None:
    assert requirements(file)


@each((line for file in LOCKED for line in requirements(file)), place)
def test_every_requirement_is_one_version_with_its_hashes(line: Passage) -> None:
    assert re.fullmatch(r"==[^*,]+", str(parsed(line).specifier))
    assert HASH.search(line.text), "there is no hash"


@each(requirements(ROOT / "requirements.txt"), place)
def test_what_runs_is_what_is_locked(line: Passage) -> None:
    """So the tests are of the versions that users get."""
    requirement = parsed(line)
    if requirement.marker is None or requirement.marker.evaluate():
        assert requirement.specifier.contains(metadata.version(requirement.name), prereleases=True)


INSTALLS = [
    step
    for file in INSTALLERS
    for step in joined(ROOT / file, STEP)
    if re.search(r"\bpip\b.* (install|wheel) ", step.text)
]


@each(INSTALLS)
def test_nothing_is_installed_without_a_hash(step: Passage) -> None:
    """But for this project itself: its dependencies, and what builds it, are there by then."""
    assert (
        "--require-hashes" in step.text
        or {"--no-deps", "--no-build-isolation"} <= {*step.text.split()}
        or WHEEL.search(step.text)
    )


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
