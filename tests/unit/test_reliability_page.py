"""The table of faults: every row names a test that exists, and every test of a fault has its row."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "reliability.md").read_text()
FAULTS = ROOT / "tests" / "acceptance" / "faults"
HEAD = ["fault", "what you see", "how it recovers", "the test"]


def rows() -> list[list[str]]:
    """The cells of every table of faults."""
    tables = re.findall(r"^\| fault \|.*\n\|[-|]+\|\n((?:\|.*\n)+)", PAGE, re.MULTILINE)
    return [[cell.strip() for cell in row.strip("|").split("|")] for table in tables for row in table.splitlines()]


def cases_of(file: Path) -> Iterator[str]:
    """Every test of a file, as pytest names it."""
    place = file.relative_to(ROOT)
    for node in ast.parse(file.read_text()).body:
        if isinstance(node, ast.ClassDef):
            yield from (f"{place}::{node.name}::{name}" for name in _functions(node.body))
    yield from (f"{place}::{name}" for name in _functions(ast.parse(file.read_text()).body))


def _functions(body: list[ast.stmt]) -> Iterator[str]:
    return (node.name for node in body if isinstance(node, ast.FunctionDef) and node.name.startswith("test_"))


def test_every_row_names_a_fault_what_is_seen_and_a_test_that_exists() -> None:
    assert rows()
    for row in rows():
        assert len(row) == len(HEAD)
        assert row[0]
        assert row[1]
        (named,) = re.findall(r"^`([^`]+)`$", row[-1])
        assert named in set(cases_of(ROOT / named.split("::")[0])), named


def test_every_test_of_a_fault_has_its_row() -> None:
    named = {row[-1].strip("`") for row in rows()}

    assert {test for file in FAULTS.glob("test_*.py") for test in cases_of(file)} - named == set()


def test_no_test_stands_for_two_faults() -> None:
    named = [row[-1] for row in rows()]

    assert sorted(named) == sorted(set(named))
