"""Every command of the documentation is accounted for: run by a named test, tried here, or somebody else's, with a reason.

Those of our own that end by themselves are run as they stand by `tests/acceptance/test_documented_commands.py`.
"""

from __future__ import annotations

import ast
import re
import shlex
import subprocess
import sys

import bcrypt
import click
import pytest

from exporter.cli import cli
from tests.documented import PAGES, PROGRAM, ROOT, commands_of

HERE = "tests/unit/test_documented_commands.py::test_every_command_is_accounted_for"
IMAGE = "tests/acceptance/test_compose.py::test_the_tools_accept_the_configuration"
INSTALLED = "tests/acceptance/test_release.py::installed"
SERVED = "tests/acceptance/test_serve.py::test_metrics_are_text_unless_asked_otherwise"
THE_PAST = "tests/acceptance/test_backfill.py::test_prometheus_serves_what_was_spent_before_it_was_installed"

PROVEN = {
    r"psql .*--file=docs/role\.sql": "tests/integration/test_role.py::test_the_role_is_enough_for_a_refresh",
    r"docker build|docker compose (up|down)|docker run": IMAGE,
    r"(/opt/ledger-exporter|venv)/bin/pip install|python3 -m venv|pipx install": INSTALLED,
    r"curl .*(/metrics|/-/ready)": SERVED,
    r"promtool tsdb create-blocks-from": THE_PAST,
    r"kubectl kustomize": "tests/unit/deploy/test_kubernetes.py::test_what_is_applied_is_valid",
    r"\.venv/bin/python -m pytest|HYPOTHESIS_EXAMPLES": HERE,
}
"""Which test runs what a command does; by a pattern that the command begins with."""

OF_OTHERS = {
    r"git clone|cd |cp |install -m|export ": "what every shell knows",
    r"psql .*\\password": "sets a password, which a test does by its own statement",
    r"docker push": "needs a registry",
    r"kubectl (-n \S+ )?(apply|rollout|create|get|logs|exec)": "needs a cluster; what is applied is validated",
    r"systemctl (enable|start|reload|restart|status)": "needs a booted systemd; the unit itself is verified by systemd-analyze",
    r"htpasswd": "the web server's own tool",
}
"""Commands that no test runs, and why."""

TRIED = (r"python -c 'import bcrypt", r"GRAFANA_URL|python -m grafana\.build|python -m tests\.")
"""Tried in this module, or a module of this repository that is called by its own name."""


COMMANDS = sorted({(page.relative_to(ROOT).as_posix(), command) for page in PAGES for command in commands_of(page)})
OWN = [(page, command) for page, command in COMMANDS if PROGRAM.fullmatch(command.split(maxsplit=1)[0])]
MAKE = sorted({shlex.split(command)[1] for _, command in COMMANDS if command.startswith("make ")})


def without_redirection(command: str) -> list[str]:
    """The arguments of a command, up to where the shell takes its output."""
    words = shlex.split(command)
    return words[
        : next((place for place, word in enumerate(words) if word in {"|", ">", "&&", "2>", ";", "&"}), len(words))
    ]


def parse(arguments: list[str]) -> None:
    """Parse arguments as the command line does, and run nothing."""
    context = click.Context(cli, info_name="ledger-exporter")
    name = arguments[0] if arguments and not arguments[0].startswith("-") else "serve"
    command = cli.get_command(context, name)
    assert command is not None, f"there is no command {name}"
    command.make_context(name, [argument for argument in arguments if argument != name], parent=context)


def is_own(command: str) -> bool:
    """Tell whether a command is tried in this module."""
    return bool(PROGRAM.fullmatch(command.split(maxsplit=1)[0])) or command.startswith("make ")


@pytest.mark.parametrize(("page", "command"), OWN)
def test_every_call_of_the_program_is_understood(page: str, command: str) -> None:
    """Subcommands, options and their values exist as the documentation writes them."""
    try:
        parse(without_redirection(command)[1:])
    except click.exceptions.Exit as ended:  # --help and --version say their word and end
        assert ended.exit_code == 0  # noqa: PT017


def test_a_call_with_an_unknown_option_would_be_found() -> None:
    """The check can fail."""
    with pytest.raises(click.UsageError):
        parse(["serve", "--no.such.option"])


@pytest.mark.parametrize("target", MAKE)
def test_every_target_exists(target: str) -> None:
    """`make` knows each target, and what it needs."""
    done = subprocess.run(["make", "--dry-run", target], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(("page", "command"), [entry for entry in COMMANDS if not is_own(entry[1])])
def test_every_command_is_accounted_for(page: str, command: str) -> None:
    """No command is written down that nobody vouches for."""
    words = re.split(r" \| | && ", command)
    known = [*PROVEN, *OF_OTHERS, *TRIED]
    assert any(re.match(pattern, words[0]) for pattern in known), f"{page}: nothing says who runs `{command}`"


@pytest.mark.parametrize("test", sorted(set(PROVEN.values())))
def test_those_who_vouch_exist(test: str) -> None:
    """A test that is renamed or gone vouches for nothing."""
    file, name = test.split("::")
    tree = ast.parse((ROOT / file).read_text())
    assert name in {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}


def test_the_line_that_makes_a_password_does() -> None:
    """What the page on passwords offers instead of htpasswd prints a hash of the password typed."""
    (command,) = [command for _, command in COMMANDS if command.startswith("python -c 'import bcrypt")]

    printed = subprocess.run(
        [sys.executable, *shlex.split(command)[1:]],
        input="correct horse\n", start_new_session=True,  # without a terminal to ask
        capture_output=True, text=True, check=True,
    )  # fmt: skip

    assert bcrypt.checkpw(b"correct horse", printed.stdout.splitlines()[-1].removeprefix("Password: ").encode())
