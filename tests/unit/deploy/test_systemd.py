"""The systemd unit: systemd itself accepts it and finds it confined, and it fits the program."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import click
import pytest

from exporter import config_file
from exporter.cli import cli
from tests.support.tools import tool

ROOT = Path(__file__).parents[3]
PAGE = ROOT / "docs" / "systemd.md"
UNIT = ROOT / "deploy" / "systemd" / "ledger-exporter.service"
EXPOSURE_LIMIT = 15
"""Tenths: 1.5 of 10, where 10 is a service without any confinement. The rest is network, which the exporter is for."""


def settings(key: str) -> list[str]:
    """Every value that a key is given, in order."""
    return re.findall(rf"^{key}=(.*)$", UNIT.read_text(), re.MULTILINE)


def analyze(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run systemd-analyze."""
    return subprocess.run(
        [tool("systemd-analyze"), *arguments],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
    )


def complaints(unit: Path, **environment: str) -> list[str]:
    """What systemd has against the unit. It reports on units of other packages too, which are not ours to mend."""
    done = analyze("verify", "--man=no", "--recursive-errors=no", str(unit), **environment)
    own = [line for line in (done.stdout + done.stderr).splitlines() if unit.name in line]
    assert (done.returncode == 0) == (not own), done.stderr
    return own


@pytest.fixture
def installed(tmp_path: Path) -> Path:
    """The unit, with a program that exists in place of the exporter."""
    unit = tmp_path / UNIT.name
    unit.write_text(re.sub(r"^ExecStart=\S+", "ExecStart=/bin/true", UNIT.read_text(), flags=re.MULTILINE))
    return unit


@pytest.mark.tools
def test_systemd_accepts_it(installed: Path) -> None:
    assert complaints(installed) == []


@pytest.mark.tools
def test_systemd_would_refuse_a_mistake(installed: Path) -> None:
    installed.write_text(installed.read_text().replace("ProtectSystem=", "ProtectSytem="))

    assert "ProtectSytem" in "\n".join(complaints(installed))


@pytest.mark.tools
def test_mistakes_in_units_of_other_packages_are_not_held_against_it(installed: Path, tmp_path: Path) -> None:
    others = tmp_path / "others"
    (others / "sysinit.target.wants").mkdir(parents=True)
    (others / "other.service").write_text("[Service]\nExecStrat=/bin/true\nExecStart=/bin/true\n")
    (others / "sysinit.target.wants" / "other.service").symlink_to(others / "other.service")
    path = f"{others}:"  # and the usual folders

    assert "ExecStrat" in analyze("verify", "--man=no", str(installed), SYSTEMD_UNIT_PATH=path).stderr
    assert complaints(installed, SYSTEMD_UNIT_PATH=path) == []


@pytest.mark.tools
def test_it_is_confined() -> None:
    done = analyze("security", "--offline=true", f"--threshold={EXPOSURE_LIMIT}", "--no-pager", str(UNIT))

    assert done.returncode == 0, done.stdout


@pytest.mark.tools
def test_the_measure_can_fail(tmp_path: Path) -> None:
    bare = tmp_path / UNIT.name
    bare.write_text("[Service]\nExecStart=/bin/true\n")

    assert analyze("security", "--offline=true", f"--threshold={EXPOSURE_LIMIT}", str(bare)).returncode != 0


def test_its_environment_is_what_the_program_reads() -> None:
    """Variables of the exporter's own are options of `serve`."""
    variables = {option.envvar for option in cli.commands["serve"].params if isinstance(option, click.Option)}
    given = {line.split("=", 1)[0] for line in settings("Environment") if line.startswith("LEDGER_EXPORTER_")}

    assert given
    assert given <= variables


def test_it_reloads_by_the_signal_that_the_program_knows() -> None:
    assert settings("ExecReload") == ["/bin/kill -HUP $MAINPID"]


def test_an_unusable_configuration_is_not_tried_again() -> None:
    """The program ends with 2 then."""
    assert settings("RestartPreventExitStatus") == ["2"]


def test_the_password_is_where_the_documented_configuration_looks(tmp_path: Path) -> None:
    """The configuration in the documentation is valid, and its password is the credential that the unit loads."""
    (name,) = (credential.split(":")[0] for credential in settings("LoadCredential"))
    (tmp_path / name).write_text("secret\n")
    (text,) = re.findall(r"^```yaml service\n(.*?)^```$", PAGE.read_text(), re.MULTILINE | re.DOTALL)

    config = config_file.parse(text.replace(f"/run/credentials/{UNIT.name}", str(tmp_path)), str(PAGE))

    password = config.sources["platform"].password({})
    assert password is not None
    assert password.get_secret_value() == "secret"
