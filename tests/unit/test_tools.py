"""`make test` needs Python alone: what `make tools` installs is asked for in one place, which refuses unmarked tests."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support import postgres, tools
from tests.support.complaints import each
from tests.support.tools import ToolMissingError, ToolRefusedError, tool

ROOT = Path(__file__).parents[2]
INSTALLER = (ROOT / "scripts" / "install-tools").read_text()
FILES = sorted((ROOT / "tests").rglob("*.py"))
LOOKS_UP = {"tests/support/tools.py", "tests/support/postgres.py"}
"""The files that may search the machine for programs."""
NAMES = {*tools.PROGRAMS, *tools.OTHER_NAMES.values()}


def test_a_test_without_the_marker_is_refused_a_program() -> None:
    """This is one."""
    with pytest.raises(ToolRefusedError, match=r"promtool is installed by `make tools`: mark the test"):
        tool("promtool")


def test_a_test_without_the_marker_is_refused_a_package() -> None:
    with pytest.raises(ToolRefusedError, match=r"pytest\.mark\.tools"):
        tools.need_package("sphinx")


def test_a_test_without_the_marker_is_refused_the_machines_postgresql(request: pytest.FixtureRequest) -> None:
    with pytest.raises(ToolRefusedError, match="PostgreSQL"):
        postgres.programs_of("pg15")


def test_a_test_with_the_marker_is_told_where_a_program_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By Debian's name as well."""
    for name in ("promtool", "prometheus-alertmanager"):
        (tmp_path / name).touch(mode=0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    with tools.access(allowed=True):
        assert tool("promtool") == str(tmp_path / "promtool")
        assert tool("alertmanager") == str(tmp_path / "prometheus-alertmanager")


def test_a_program_that_is_missing_says_what_to_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with (
        tools.access(allowed=True),
        pytest.raises(ToolMissingError, match="promtool is not installed: run `make tools`"),
    ):
        tool("promtool")


def test_what_may_be_asked_for_is_what_is_installed() -> None:
    """`scripts/install-tools` names each program, and its package in apt; kustomize it installs with Go."""
    assert set(re.findall(r"\[([\w-]+)\]=", INSTALLER)) | {"kustomize"} == tools.PROGRAMS


def commands(source: str) -> Iterator[tuple[int, str]]:
    """Where a program is looked up, or is the first word of a command: of a list, or of what `process` runs."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "shutil.which":
            yield node.lineno, "shutil.which"
        elif isinstance(node, ast.List) or (isinstance(node, ast.Call) and ast.unparse(node.func) == "process"):
            words = node.elts[:1] if isinstance(node, ast.List) else node.args
            for word in words:
                if isinstance(word, ast.Constant) and word.value in NAMES:
                    yield word.lineno, word.value


@each([file.relative_to(ROOT).as_posix() for file in FILES if file.relative_to(ROOT).as_posix() not in LOOKS_UP])
def test_programs_are_asked_for_in_one_place(file: str) -> None:
    """Any other way to start one would go unnoticed on a machine that has it."""
    found = [f"line {line}: {name}" for line, name in commands((ROOT / file).read_text())]
    assert not found, f"use tests.support.tools.tool: {', '.join(found)}"


@pytest.mark.parametrize(
    "source",
    [
        'run(["promtool", "check"])',
        'command = ["docker-compose", "config"]',
        'process(folder, "victoria-metrics", "-a")',
        'shutil.which("jq")',
    ],
)
def test_a_program_that_is_asked_for_elsewhere_is_found(source: str) -> None:
    assert [line for line, _ in commands(source)][:1] == [1]
