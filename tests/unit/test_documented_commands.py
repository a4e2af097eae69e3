"""Every command of the documentation is accounted for, in one way: run as it stands, stood for by another test, or not run.

Run are those of `tests/acceptance/test_documented_commands.py` and `tests/acceptance/test_readme.py`, which take them from the
pages. What stands for a command proves less than the command does, and says what not.
"""

from __future__ import annotations

import ast
import re
import shlex
import subprocess
import sys
from functools import cache
from pathlib import Path

import bcrypt
import click
import pytest

from exporter.cli import cli
from tests.support.complaints import each
from tests.support.documented import (
    FOLLOWED,
    NEEDS_A_CLUSTER,
    PAGES,
    PROGRAM,
    indented_in,
    is_run,
    mentioned_in,
    parts_of,
    placed_commands_of,
)
from tests.support.passages import ROOT, Passage, whole

COMPOSE = "tests/acceptance/test_compose.py::test_compose_accepts_the_file"
RELEASE = "tests/acceptance/test_release.py::installed"

STOOD_FOR = {
    r"docker compose (up|down)": (COMPOSE, "the file is valid; no container is started, for want of an engine"),
    r"pipx install( \.)?$": (RELEASE, "a wheel is installed instead of the checkout, with locked versions"),
    r"make dashboards": ("tests/unit/grafana/test_generated.py::test_committed_dashboards_are_as_generated", "compared"),
    r"make manifests": ("tests/unit/deploy/test_kubernetes.py::test_the_committed_file_is_as_generated", "compared"),
    r"make docs-pages": ("tests/unit/test_docs.py::test_generated_page_is_as_generated", "compared, not written"),
    r"make docs": ("tests/unit/deploy/test_site.py::test_a_sound_documentation_builds_without_a_word", "a small site"),
    r"make release": ("tests/acceptance/test_release.py::release", "the script, into another folder"),
    r"make audit": ("tests/unit/test_requirements.py::test_an_audit_that_reaches_nobody_says_so", "no database is asked"),
    r"make demo|ledger-exporter demo": (
        "tests/integration/test_demo.py::test_the_demo_runs_is_scraped_and_leaves_nothing", "a small platform, a free port"),
    r"make fuzz": ("tests/unit/test_fuzz.py::test_it_fuzzes_at_random_and_by_coverage", "for a moment"),
    r"ledger-exporter( serve)?( --config\.file=ledger-exporter\.yml)?$": (
        "tests/acceptance/test_serve.py::test_metrics_are_text_unless_asked_otherwise", "on a free port"),
    r"ledger-exporter --web\.config\.file=": (
        "tests/acceptance/test_web_security.py::secured", "with another file, on a free port"),
    r"python -m exporter\.web\.healthy": ("tests/acceptance/test_healthy.py::check", "of an exporter on a free port"),
    r"python -c import bcrypt": (
        "tests/unit/test_documented_commands.py::test_the_line_that_makes_a_password_does", "without a terminal"),
}  # fmt: skip
"""Commands in whose place another test runs something; which, and what that leaves unproven."""

NOT_RUN = {
    r"docker (build|run) ": "needs an engine; test_compose.py holds what the Dockerfile says, and builds no image",
    r"docker push ": "needs a registry",
    r"kubectl (-n \S+ )?(apply|create|rollout) ": "needs a cluster; what would be applied is built and validated",
    r"systemctl (enable|start|reload|restart|edit) ": "needs a booted systemd; the unit is verified by systemd-analyze",
    r"htpasswd ": "a tool of Apache's",
    r"git clone |cd ": "fetches this repository",
    r"make (lint|tools|test-all)$": "is what CI runs",
    r"make (check|test)$": "a part of what CI runs",
    r"make test-versions$": "takes the night",
    r"make lock$": "chooses new versions",
    r"make bench": "takes hours; its parts are tested by tests/unit/bench",
    r"make soak|\S+ -m tests\.replay": "takes ten minutes",
    r"make screenshots|python -m grafana\.build\.screenshots": "needs a running Grafana, which the tests have not",
    r"\.venv/bin/python -m pytest": "these tests, a part of them",
    r"make test-dates": "these tests, a part of them, by another clock",
    r"promtool tsdb create-blocks-from rules$": "named, not described",
}
"""Commands that nothing is run for, and why. Those of our own have options that exist, at the least."""

COMMANDS = [command for page in PAGES for command in placed_commands_of(page)]
MENTIONED = [command for page in PAGES for command in mentioned_in(page)]


def is_own(command: Passage) -> bool:
    """Tell whether a command calls the program."""
    return bool(PROGRAM.fullmatch(command.text.split(maxsplit=1)[0]))


def first_uses(commands: list[Passage]) -> list[Passage]:
    """Each command once, at its first place."""
    return list({command.text: command for command in reversed(commands)}.values())


def parse(arguments: list[str]) -> None:
    """Parse arguments as the command line does, and run nothing."""
    context = click.Context(cli, info_name="ledger-exporter")
    name = arguments[0] if arguments and not arguments[0].startswith("-") else "serve"
    command = cli.get_command(context, name)
    assert command is not None, f"there is no command {name}"
    command.make_context(name, [argument for argument in arguments if argument != name], parent=context)


def left(command: Passage) -> list[str]:
    """The parts of a command that are not run as they stand on the page."""
    if command.text.replace("/opt/ledger-exporter", "venv") in FOLLOWED["README.md"]:
        return []  # systemd's page installs as the README does
    if is_run(command.file, command.text):
        return parts_of(NEEDS_A_CLUSTER.search(command.text)[0]) if NEEDS_A_CLUSTER.search(command.text) else []
    return parts_of(command.text)


def accounts(part: str) -> list[str]:
    """Which entries say what becomes of a single command that is not run as it stands."""
    return [pattern for pattern in (*STOOD_FOR, *NOT_RUN) if re.match(pattern, part)]


@each([command for command in COMMANDS + MENTIONED if is_own(command)])
def test_every_call_of_the_program_is_understood(command: Passage) -> None:
    """Subcommands, options and their values exist as the documentation writes them."""
    try:
        parse(shlex.split(parts_of(command.text)[0])[1:])
    except click.exceptions.Exit as ended:  # --help and --version say their word and end
        assert ended.exit_code == 0  # noqa: PT017


def test_a_call_with_an_unknown_option_would_be_found() -> None:
    """The check can fail."""
    with pytest.raises(click.UsageError):
        parse(["serve", "--no.such.option"])


@each(first_uses([command for command in COMMANDS + MENTIONED if command.text.startswith("make ")]))
def test_every_target_exists(command: Passage) -> None:
    """`make` knows each target, and what it needs."""
    target = shlex.split(command.text)[1]
    done = subprocess.run(["make", "--dry-run", target], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@each(first_uses([command for command in COMMANDS if re.match(r"\S*python -m tests\.", command.text)]))
def test_every_module_knows_its_options(command: Passage) -> None:
    """Modules of this repository that take too long to be run are there, and have the options that are written down."""
    words = shlex.split(command.text)
    module = words[words.index("-m") + 1]
    done = subprocess.run(
        [sys.executable, "-m", module, "--help"], cwd=ROOT, capture_output=True, text=True, check=False
    )

    assert done.returncode == 0, done.stderr
    assert {word for word in words if word.startswith("--")} - set(re.findall(r"--[\w-]+", done.stdout)) == set()


@each(COMMANDS)
def test_every_command_is_accounted_for(command: Passage) -> None:
    """Each part that is not run is excused in one way: by what stands for it, or by why there is nothing."""
    assert {part: len(accounts(part)) for part in left(command)} == dict.fromkeys(left(command), 1)


@each([command for command in MENTIONED if not is_own(command)])
def test_what_is_mentioned_is_accounted_for(command: Passage) -> None:
    """So are commands in the text, unless a page has them in a block, or more of them."""
    assert accounts(command.text) or any(known.text.startswith(command.text) for known in COMMANDS)


@cache
def excused() -> list[str]:
    """Everything that needs an entry."""
    return [part for command in COMMANDS for part in left(command)] + [command.text for command in MENTIONED]


@each([*STOOD_FOR, *NOT_RUN])
def test_every_excuse_is_needed(pattern: str) -> None:
    """None outlives its command."""
    assert any(re.match(pattern, command) for command in excused()), "no command matches"


@each(sorted({test for test, _ in STOOD_FOR.values()}))
def test_those_who_stand_for_a_command_exist(test: str) -> None:
    """A test that is renamed or gone stands for nothing."""
    file, name = test.split("::")
    tree = ast.parse((ROOT / file).read_text())
    assert name in {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}


FENCES = [list(whole(page).find(re.compile(r"^ *```.*$", re.MULTILINE))) for page in PAGES]


@each([opening for fences in FENCES for opening in fences[::2]])
def test_every_block_says_its_language(opening: Passage) -> None:
    """Commands are found by it."""
    assert opening.text.strip(" `")


@each(PAGES, place=lambda page: page.relative_to(ROOT))
def test_no_command_hides_in_an_indented_block(page: Path) -> None:
    """Such a block has no language."""
    assert [str(found) for found in indented_in(page)] == []


def test_the_line_that_makes_a_password_does() -> None:
    """What the page on passwords offers instead of htpasswd prints a hash of the password typed."""
    (command,) = {found.text for found in COMMANDS if found.text.startswith("python -c 'import bcrypt")}

    printed = subprocess.run(
        [sys.executable, *shlex.split(command)[1:]],
        input="correct horse\n", start_new_session=True,  # without a terminal to ask
        capture_output=True, text=True, check=True,
    )  # fmt: skip

    assert bcrypt.checkpw(b"correct horse", printed.stdout.splitlines()[-1].removeprefix("Password: ").encode())
