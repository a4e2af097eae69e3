"""The house stands as docs/architecture.md draws it: imports point one way, and knowledge stays in its room."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "exporter"

STOREYS = (
    ("__main__",),
    ("cli", "demo", "check", "reconcile", "backfill", "report"),
    ("options", "terminal", "client", "progress"),
    ("web",),
    ("app",),
    ("refresher", "scheduler", "landing"),
    ("views", "publishing"),
    ("labelling",),
    ("holding",),
    ("reading",),
    ("incremental",),
    ("ledgers",),
    ("thresholds", "config", "config_file", "yaml_file", "errors", "logs", "garbage"),
    ("parts",),
    ("names",),
)
"""From the roof to the ground; a module imports from its own storey and those below."""

DRIVERS = {"psycopg", "psycopg_pool"}
HTTP = {"uvloop", "http", "urllib", "asyncio", "socket", "httptools"}
PURE = ("parts", "names", "holding", "labelling", "publishing", "thresholds", "views")
"""Rooms that know neither databases nor HTTP."""

ALLOWED_HTTP = {"exporter.config": {"urllib"}}
"""`config` reads connection strings written as URLs."""


@cache
def modules() -> dict[str, Path]:
    """Every module of the package by its name."""
    found = {}
    for path in sorted(PACKAGE.rglob("*.py")):
        parts = path.relative_to(ROOT).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


@cache
def imports(module: str) -> frozenset[str]:
    """Every module that one imports, anywhere in its code, also inside functions."""
    return frozenset(_imports(ast.parse(modules()[module].read_text())))


def _imports(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute"
            assert node.module is not None
            for alias in node.names:
                name = f"{node.module}.{alias.name}"
                yield name if name in modules() else node.module


def room(module: str) -> str:
    """The name by which a module, or the package it is in, stands in `STOREYS`."""
    parts = module.split(".")
    return parts[1] if len(parts) > 1 else "exporter"


def storey(module: str) -> int:
    (found,) = (number for number, rooms in enumerate(STOREYS) if room(module) in rooms)
    return found


def outside(module: str) -> set[str]:
    """The distributions and standard modules that one imports."""
    return {name.split(".")[0] for name in imports(module)} - {"exporter"}


OWN = [module for module in modules() if module != "exporter"]


def test_every_module_has_its_storey() -> None:
    assert {room(module) for module in OWN} == {name for rooms in STOREYS for name in rooms}


@pytest.mark.parametrize("module", OWN)
def test_imports_point_downwards(module: str) -> None:
    upwards = {
        name
        for name in imports(module)
        if name.startswith("exporter.") and storey(name) < storey(module)
    }  # fmt: skip

    assert upwards == set()


def test_imports_run_in_no_circle() -> None:
    within = {module: {name for name in imports(module) if name in modules()} for module in OWN}

    TopologicalSorter(within).prepare()


@pytest.mark.parametrize("module", OWN)
def test_only_the_ledgers_and_the_demo_know_the_driver(module: str) -> None:
    if room(module) not in {"ledgers", "demo"}:
        assert not outside(module) & DRIVERS


@pytest.mark.parametrize("module", [module for module in OWN if room(module) in PURE])
def test_what_is_pure_knows_neither_databases_nor_http(module: str) -> None:
    assert not outside(module) & (DRIVERS | HTTP)
    assert not {room(name) for name in imports(module) if name.startswith("exporter.")} & {"ledgers", "web", "app"}


KNOWS = {
    "names": {"names"},
    "parts": {"parts", "names"},
    "incremental": {"incremental", "ledgers", "parts"},
}
"""Rooms of the engine, and all that they know of the house."""


@pytest.mark.parametrize("module", [module for module in OWN if room(module) in KNOWS])
def test_the_engine_knows_no_more_than_it_must(module: str) -> None:
    assert {room(name) for name in imports(module) if name.startswith("exporter.")} <= KNOWS[room(module)]


@pytest.mark.parametrize("module", OWN)
def test_sets_of_numbers_are_the_tasks_own(module: str) -> None:
    if module != "exporter.parts.tasks":
        assert not outside(module) & {"pyroaring"}


@pytest.mark.parametrize("module", [module for module in OWN if room(module) not in {"web", "demo", "client"}])
def test_http_is_known_by_server_and_client_alone(module: str) -> None:
    found = outside(module) & (HTTP - {"socket"}) - ALLOWED_HTTP.get(module, set())

    assert found == set()


def test_sql_stands_in_files() -> None:
    """One file a question, each with a line that says which."""
    files = sorted((PACKAGE / "ledgers" / "sql").rglob("*.sql"))

    assert files
    for file in files:
        assert file.read_text().startswith("-- "), file


@pytest.mark.parametrize("module", [module for module in OWN if room(module) != "report"])
def test_what_draws_is_the_reports_own(module: str) -> None:
    """A serving exporter has no use for it."""
    assert "rich" not in outside(module)


HOUSE = {
    "names": {"names"},
    "reading": {"reading", "incremental", "ledgers", "config", "errors", "logs", "names", "parts"},
    "holding": {"holding", "reading", "config", "parts"},
    "labelling": {"labelling", "holding", "config", "names", "parts"},
    "publishing": {"publishing", "views", "labelling", "holding", "config", "thresholds", "names", "parts"},
    "refresher": {
        "refresher", "reading", "holding", "labelling", "publishing", "views", "ledgers", "config", "errors", "logs",
        "parts",
    },
}  # fmt: skip
"""Rooms on the way of a charge, downhill, and all that each knows of the house."""

MOST_LINES, MOST_ATTRIBUTES = 200, 12
"""Of a class with behaviour; frozen values may be larger."""


def of_the_house() -> list[str]:
    return [module for module in OWN if room(module) in HOUSE]


def test_each_room_on_the_way_of_a_charge_knows_no_more_than_it_must() -> None:
    complaints = [
        f"{module} imports {name}"
        for module in of_the_house()
        for name in sorted(imports(module))
        if name.startswith("exporter.") and room(name) not in HOUSE[room(module)]
    ]

    assert complaints == []


def test_values_go_down_from_readers_and_nothing_asks_a_reader_back() -> None:
    """Below the readers only readings are known."""
    complaints = [
        f"{module} imports {name}"
        for module in of_the_house()
        if room(module) in {"holding", "labelling", "publishing"}
        for name in sorted(imports(module))
        if room(name) == "reading" and name != "exporter.reading.reading"
    ]

    assert complaints == []


def test_no_class_is_too_large() -> None:
    complaints = [
        f"{module}.{found.name} has {lines} lines and {attributes} attributes"
        for module in [*of_the_house(), "exporter.app", "exporter.scheduler"]
        for found in ast.walk(ast.parse(modules()[module].read_text()))
        if isinstance(found, ast.ClassDef) and not _is_frozen(found)
        for lines, attributes in [((found.end_lineno or 0) - found.lineno + 1, len(_attributes(found)))]
        if lines > MOST_LINES or attributes > MOST_ATTRIBUTES
    ]

    assert complaints == []


def _is_frozen(found: ast.ClassDef) -> bool:
    return any(
        isinstance(decorator, ast.Call) and any(keyword.arg == "frozen" for keyword in decorator.keywords)
        for decorator in found.decorator_list
    )


def _attributes(found: ast.ClassDef) -> set[str]:
    """The attributes that a class assigns on self, wherever it does."""
    return {
        node.attr
        for node in ast.walk(found)
        if isinstance(node, ast.Attribute)
        and isinstance(node.ctx, ast.Store)
        and isinstance(node.value, ast.Name)
        and node.value.id == "self"
    }


def test_nothing_is_too_complex() -> None:
    """And no exception says that it may be."""
    complaints = [
        f"{module}:{number}: {line.strip()}"
        for module in of_the_house()
        for number, line in enumerate(modules()[module].read_text().splitlines(), start=1)
        if "noqa" in line and ("C901" in line or "PLR09" in line)
    ]

    assert complaints == []
