"""What ships for Prometheus and Alertmanager is what their own tools accept."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from tests.support.tools import tool

pytestmark = pytest.mark.tools


PROMETHEUS = Path(__file__).parents[2] / "prometheus"


def said(program: str, *arguments: str | Path) -> tuple[int, str]:
    """A tool's exit code and all it says."""
    ended = subprocess.run(
        [tool(program), *arguments], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
    )
    return ended.returncode, ended.stdout


def test_prometheus_accepts_its_configuration() -> None:
    """With its target files and its rules."""
    code, output = said("promtool", "check", "config", PROMETHEUS / "prometheus.yml")

    assert code == 0, output
    assert "SUCCESS" in output
    assert "WARNING" not in output


def test_alertmanager_accepts_its_configuration() -> None:
    code, output = said("amtool", "check-config", PROMETHEUS / "alertmanager.yml")

    assert code == 0, output
    assert "SUCCESS" in output
    assert "WARNING" not in output


@pytest.fixture
def broken(tmp_path: Path) -> Path:
    """A copy of the configuration with a mistake in each file."""
    copy = tmp_path / "prometheus"
    shutil.copytree(PROMETHEUS, copy)
    for file in ("prometheus.yml", "alertmanager.yml"):
        (copy / file).write_text((copy / file).read_text() + "\nno_such_key: 1\n")
    return copy


def test_the_tools_would_refuse_a_mistake(broken: Path) -> None:
    """A check that cannot fail is none."""
    assert said("promtool", "check", "config", broken / "prometheus.yml")[0] != 0
    assert said("amtool", "check-config", broken / "alertmanager.yml")[0] != 0
