"""The command line: options, their variables, and the exit code of every mistake."""

from __future__ import annotations

import re
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from exporter import __version__, cli

pytestmark = pytest.mark.usefixtures("logging_as_it_was")


@dataclass(frozen=True)
class Ended:
    """How a run of the command line ended."""

    code: object
    out: str
    err: str


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> object:
    """Run the command line with arguments until it ends."""

    def run_with(*arguments: str) -> Ended:
        monkeypatch.setattr(sys, "argv", ["ledger-exporter", *arguments])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        return Ended(ended.value.code, *capsys.readouterr())

    return run_with


def test_it_says_its_version(run) -> None:
    assert run("--version") == Ended(0, f"ledger-exporter, version {__version__}\n", "")


def test_without_a_command_it_serves(run, tmp_path: Path) -> None:
    assert "absent.yml: cannot be read" in run(f"--config.file={tmp_path}/absent.yml").err


def test_help_lists_the_commands(run) -> None:
    ended = run("--help")

    assert ended.code == 0
    assert {"serve", "demo"} <= set(re.findall(r"^  (\w+)  ", ended.out, re.MULTILINE))


def test_every_option_tells_its_variable(run) -> None:
    text = run("serve", "--help").out
    options = set(re.findall(r"^  (?:-h, )?(--[a-z.-]+)", text, re.MULTILINE)) - {"--help"}

    assert options == {
        "--config.file", "--web.listen-address", "--web.telemetry-path", "--web.config.file", "--web.enable-lifecycle",
        "--log.level", "--log.format",
    }  # fmt: skip
    for option in options:
        variable = "LEDGER_EXPORTER_" + option.removeprefix("--").translate(str.maketrans(".-", "__")).upper()
        assert f"[envvar:{variable}" in re.sub(r"\s+", "", text).replace("env var", "envvar"), option


def test_an_option_may_come_from_its_variable(run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("LEDGER_EXPORTER_CONFIG_FILE", f"{tmp_path}/from-the-environment.yml")

    assert "from-the-environment.yml" in run("serve").err


def test_a_configuration_that_is_not_there_is_exit_code_2(run, tmp_path: Path) -> None:
    assert run("serve", f"--config.file={tmp_path}/absent.yml") == Ended(
        2,
        "",
        "ledger-exporter: the configuration cannot be used:\n"
        f"{tmp_path}/absent.yml: cannot be read: No such file or directory\n",
    )


def test_a_connection_string_libpq_does_not_know_is_exit_code_2(run, tmp_path: Path) -> None:
    config = tmp_path / "ledger-exporter.yml"
    config.write_text(
        "sources: {main: {dsn: 'pasword=s3cret host=h'}}\n"
        "ledgers: {cost: {source: main}, impact: {source: main}, budget: {source: main}}\n"
    )
    ended = run(f"--config.file={config}")

    assert ended.code == 2
    assert "source main: the connection string has an option libpq does not know" in ended.err
    assert "s3cret" not in ended.err


@pytest.mark.parametrize("path", ["metrics", "/", "/-/ready", "/-/healthy", "/-/reload"])
def test_a_telemetry_path_that_is_another_page_is_exit_code_2(run, path: str) -> None:
    ended = run(f"--web.telemetry-path={path}")

    assert ended.code == 2
    assert "--web.telemetry-path" in ended.err


@pytest.mark.parametrize("option", ["--log.level=loud", "--log.format=xml", "--no.such=option"])
def test_an_option_that_does_not_exist_is_exit_code_2(run, option: str) -> None:
    assert run(option).code == 2
