"""Test modules stand alone: none imports another, and none patches a constant of the product by itself."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
IMPORTABLE = re.compile(r"tests\.(support|oracle|golden|fuzz|soak)\b(?!.*\b(test_\w+|conftest)\b)")
"""The helpers, and the programs that have test modules or commands of their own."""
CONSTANT = re.compile(r"(.*\.)?_*[A-Z][A-Z0-9_]+")
PATCHES_CONSTANTS = ROOT / "tests" / "support" / "sizes.py"


def imported(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Each module or name of `tests` that code imports, with its line. A relative import is taken for one of those."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, each.name) for each in node.names if each.name.split(".")[0] == "tests")
        elif isinstance(node, ast.ImportFrom):
            module = "." * node.level + (node.module or "")
            if node.level or module.split(".")[0] == "tests":
                yield from ((node.lineno, f"{module}.{each.name}") for each in node.names)


def patched(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Each constant that code patches by its name, with its line."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and ast.unparse(node.func).split(".")[-1] in ("setattr", "patch", "object"):
            names = [each.value for each in node.args[:2] if isinstance(each, ast.Constant)]
            yield from ((node.lineno, name) for name in names if isinstance(name, str) and CONSTANT.fullmatch(name))


def complaints(file: Path, code: str) -> list[str]:
    """What a file of the tests imports or patches and should not."""
    tree, place = ast.parse(code), file.relative_to(ROOT)
    found = [
        f"{place}:{line}: imports {name}; what tests share belongs in tests/support"
        for line, name in imported(tree)
        if not IMPORTABLE.match(name)
    ]
    if file != PATCHES_CONSTANTS:
        found += [
            f"{place}:{line}: patches {name}; give it a name in tests/support/sizes.py" for line, name in patched(tree)
        ]
    return found


def test_tests_share_helpers_only_and_patch_constants_in_one_place() -> None:
    files = sorted((ROOT / "tests").rglob("*.py"))

    assert len(files) > 100
    assert [complaint for file in files for complaint in complaints(file, file.read_text())] == []


def test_each_way_to_do_so_is_found() -> None:
    code = """
import tests.unit.test_cli
from tests import support, oracle, replay
from tests.conftest import database
from tests.golden.test_golden import golden
from tests.support.engine import Engine
from . import test_docs
def test(monkeypatch):
    from tests.integration.test_web import app
    monkeypatch.setattr(reader, "CHUNK_ROWS", 1)
    monkeypatch.setattr("exporter.labelling.quests._GONE_QUESTS", 1)
    monkeypatch.setattr(reader, "read", None)
    with patch.object(tail, "_STEP", 2), patch("exporter.app.WAIT", 3):
        pass
"""
    found = complaints(ROOT / "tests" / "unit" / "test_other.py", code)

    assert [complaint.split("; ")[0].removeprefix("tests/unit/test_other.py:") for complaint in found] == [
        "2: imports tests.unit.test_cli",
        "3: imports tests.replay",
        "4: imports tests.conftest.database",
        "5: imports tests.golden.test_golden.golden",
        "7: imports ..test_docs",
        "9: imports tests.integration.test_web.app",
        "10: patches CHUNK_ROWS",
        "11: patches exporter.labelling.quests._GONE_QUESTS",
        "13: patches _STEP",
        "13: patches exporter.app.WAIT",
    ]
