"""The command line: options, their variables, and the exit code of every mistake."""

from __future__ import annotations

import re
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

import click
import pytest

from exporter import __version__, cli, config_file

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


COMMANDS = ("serve", "check", "report", "reconcile", "backfill", "demo")
SHARED = {"--config.file", "--web.config.file"}
"""Options that mean the same whatever the command: their variables are those of `serve`."""


def variables(command: str) -> dict[str, str]:
    """The variables of a command's options."""
    found = cli.cli.get_command(click.Context(cli.cli), command)
    assert found is not None
    return {parameter.opts[0]: str(parameter.envvar) for parameter in found.params}


@pytest.mark.parametrize("command", COMMANDS[1:])
def test_the_variables_of_a_commands_own_options_have_its_name(command: str) -> None:
    """A variable that is set for one, perhaps with credentials, is nothing to another."""
    for option, variable in variables(command).items():
        own = f"{command}_" if option not in SHARED else ""
        name = option.removeprefix("--").translate(str.maketrans(".-", "__"))
        assert variable == f"LEDGER_EXPORTER_{own}{name}".upper()


@pytest.mark.parametrize("command", COMMANDS)
def test_help_teaches(run, command: str) -> None:
    """By examples, with the variable of every option, and by what its exit codes mean."""
    ended = run(command, "--help")
    examples = re.findall(rf"^ +(?:\w+=\S+ )?ledger-exporter {command}\b", ended.out, re.MULTILINE)
    _, _, codes = ended.out.partition("Exit codes: ")

    assert ended.code == 0
    assert len(examples) >= 3
    assert {"0", "1", "2"} <= set(re.findall(r"(?:^|[\s;])(\d+)\s+[a-z]", codes.partition("Options:")[0]))
    assert all(variable in re.sub(r"\s+", "", ended.out) for variable in variables(command).values())


def test_these_are_all_commands() -> None:
    assert set(COMMANDS) == set(cli.cli.list_commands(click.Context(cli.cli)))


def test_no_variable_is_of_two_commands() -> None:
    owners: dict[str, set[str]] = {}
    for command in COMMANDS:
        for option, variable in variables(command).items():
            owners.setdefault(variable, set()).update({command} if option not in SHARED else set())

    assert all(len(commands) <= 1 for commands in owners.values()), owners


def test_an_unsuitable_variable_is_named(run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LEDGER_EXPORTER_REPORT_OUTPUT", "xml")
    ended = run("report")

    assert ended.code == 2
    assert "LEDGER_EXPORTER_REPORT_OUTPUT" in ended.err


def test_who_is_interrupted_ends_with_130(run, monkeypatch: pytest.MonkeyPatch) -> None:
    """1 and 2 have meanings of their own."""

    def interrupt(*_: object) -> NoReturn:
        raise KeyboardInterrupt

    monkeypatch.setattr(config_file, "load", interrupt)

    assert [run(command).code for command in ("reconcile", "report")] == [130, 130]


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
