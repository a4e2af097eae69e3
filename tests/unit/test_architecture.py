"""The house stands as docs/architecture.md draws it: imports point one way, and knowledge stays in its room."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from graphlib import TopologicalSorter
from pathlib import Path

from tests.support.complaints import each

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
    ("ledgers",),
    ("databases",),
    ("thresholds", "config", "config_file", "yaml_file", "errors", "logs"),
    ("sums",),
    ("names",),
)
"""From the roof to the ground; a module imports from its own storey and those below."""

DRIVERS = {"psycopg", "psycopg_pool"}
HTTP = {"uvloop", "http", "urllib", "asyncio", "socket", "httptools"}
PURE = ("sums", "names", "holding", "labelling", "publishing", "thresholds", "views")
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


@dataclass(frozen=True)
class Import:
    """A module of the package imports a name, anywhere in its code, also inside functions."""

    module: str
    line: int
    name: str

    def __str__(self) -> str:
        """Where it stands."""
        return f"{modules()[self.module].relative_to(ROOT)}:{self.line}, import of {self.name}"

    @property
    def top(self) -> str:
        """The distribution or standard module that is imported from."""
        return self.name.split(".")[0]

    @property
    def room(self) -> str | None:
        """The room that is imported from; None if it is not of this package."""
        return room(self.name) if self.name.startswith("exporter.") else None


def imports(module: str) -> Iterator[Import]:
    """Every import of a module, in the order of its code."""
    for node in ast.walk(ast.parse(modules()[module].read_text(), str(modules()[module]))):
        if isinstance(node, ast.Import):
            yield from (Import(module, node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = "." * node.level + (node.module or "")
            for alias in node.names:
                name = f"{base}.{alias.name}"
                yield Import(module, node.lineno, name if name in modules() else base)


def room(module: str) -> str:
    """The name by which a module, or the package it is in, stands in `STOREYS`."""
    parts = module.split(".")
    return parts[1] if len(parts) > 1 else "exporter"


def storey(room: str) -> int:
    """The number of a room's storey, counted from the roof."""
    found = [number for number, rooms in enumerate(STOREYS) if room in rooms]
    assert len(found) == 1, f"{room} has {len(found)} storeys, not 1"
    return found[0]


OWN = [module for module in modules() if module != "exporter"]
IMPORTS = [found for module in OWN for found in imports(module)]
ROOMS = [room for rooms in STOREYS for room in rooms]

KNOWS = {
    "names": {"names"},
    "sums": {"sums", "names"},
}
"""Rooms of the engine, and all that they know of the house."""


def outside(*rooms: str) -> list[Import]:
    """The imports of all modules but those of some rooms."""
    return [found for found in IMPORTS if room(found.module) not in rooms]


@each(OWN)
def test_every_module_has_its_storey(module: str) -> None:
    assert room(module) in ROOMS


@each(ROOMS)
def test_every_room_has_modules_and_one_storey(name: str) -> None:
    """A room whose modules are gone leaves its storey."""
    assert name in {room(module) for module in OWN}
    assert ROOMS.count(name) == 1


@each([*PURE, *KNOWS])
def test_every_room_with_a_rule_exists(name: str) -> None:
    """A rule about a room that is gone would check nothing."""
    assert name in ROOMS


@each(IMPORTS)
def test_imports_are_absolute(found: Import) -> None:
    assert not found.name.startswith(".")


@each([found for found in IMPORTS if found.room])
def test_imports_point_downwards(found: Import) -> None:
    assert storey(found.room) >= storey(room(found.module)), "points upwards"


def test_imports_run_in_no_circle() -> None:
    within: dict[str, set[str]] = {module: set() for module in OWN}
    for found in IMPORTS:
        within[found.module] |= {found.name} & modules().keys()

    TopologicalSorter(within).prepare()


@each(outside("databases", "ledgers", "demo"))
def test_only_the_ledgers_and_the_demo_know_the_driver(found: Import) -> None:
    assert found.top not in DRIVERS


@each([found for found in IMPORTS if room(found.module) in PURE])
def test_what_is_pure_knows_neither_databases_nor_http(found: Import) -> None:
    assert found.top not in DRIVERS | HTTP
    assert found.room not in {"ledgers", "web", "app"}


@each([found for found in IMPORTS if room(found.module) in KNOWS and found.room])
def test_the_engine_knows_no_more_than_it_must(found: Import) -> None:
    assert found.room in KNOWS[room(found.module)]


@each([found for found in IMPORTS if found.module != "exporter.sums.tasks"])
def test_sets_of_numbers_are_the_tasks_own(found: Import) -> None:
    assert found.top != "pyroaring"


@each(outside("web", "demo", "client"))
def test_http_is_known_by_server_and_client_alone(found: Import) -> None:
    assert found.top not in HTTP - {"socket"} - ALLOWED_HTTP.get(found.module, set())


@each(sorted((PACKAGE / "ledgers" / "sql").rglob("*.sql")), place=lambda file: file.relative_to(ROOT))
def test_sql_stands_in_files(file: Path) -> None:
    """One file a question, each with a line that says which."""
    assert file.read_text().startswith("-- ")


@each(outside("report"))
def test_what_draws_is_the_reports_own(found: Import) -> None:
    """A serving exporter has no use for it."""
    assert found.top != "rich"


HOUSE = {
    "reading": {"reading", "databases", "ledgers", "config", "errors", "logs", "names", "sums"},
    "holding": {"holding", "reading", "config", "sums"},
    "labelling": {"labelling", "holding", "config", "names", "sums"},
    "publishing": {"publishing", "views", "labelling", "holding", "config", "thresholds", "names", "sums"},
    "refresher": {
        "refresher", "reading", "holding", "labelling", "publishing", "views", "databases", "config", "errors", "logs",
        "sums",
    },
}  # fmt: skip
"""Rooms on the way of a charge, downhill, and all that each knows of the house."""

BELOW_THE_READERS = {"holding", "labelling", "publishing"}
MOST_LINES, MOST_ATTRIBUTES = 200, 12
"""Of a class with behaviour; frozen values may be larger."""


@each([found for found in IMPORTS if room(found.module) in HOUSE and found.room])
def test_each_room_on_the_way_of_a_charge_knows_no_more_than_it_must(found: Import) -> None:
    assert found.room in HOUSE[room(found.module)]


@each([found for found in IMPORTS if room(found.module) in BELOW_THE_READERS and found.room == "reading"])
def test_values_go_down_from_readers_and_nothing_asks_a_reader_back(found: Import) -> None:
    """Below the readers only readings are known."""
    assert found.name.startswith("exporter.reading.reading")


@dataclass(frozen=True)
class Class:
    """A class of a module, with the attributes it assigns on self, wherever it does."""

    module: str
    name: str
    lines: int
    attributes: frozenset[str]

    def __str__(self) -> str:
        """Where it stands."""
        return f"{self.module}.{self.name}"


def classes() -> Iterator[Class]:
    """The classes with behaviour on the way of a charge."""
    for module in OWN:
        if room(module) in {*HOUSE, "app", "scheduler", "databases", "ledgers", "sums"}:
            for node in ast.walk(ast.parse(modules()[module].read_text())):
                if isinstance(node, ast.ClassDef) and not is_frozen(node):
                    lines = (node.end_lineno or 0) - node.lineno + 1
                    yield Class(module, node.name, lines, frozenset(attributes(node)))


def is_frozen(node: ast.ClassDef) -> bool:
    """Tell whether a class is a frozen value."""
    return any(
        isinstance(decorator, ast.Call) and any(keyword.arg == "frozen" for keyword in decorator.keywords)
        for decorator in node.decorator_list
    )


def attributes(node: ast.ClassDef) -> Iterator[str]:
    """The attributes that a class assigns on self."""
    for inner in ast.walk(node):
        if (
            isinstance(inner, ast.Attribute)
            and isinstance(inner.ctx, ast.Store)
            and isinstance(inner.value, ast.Name)
            and inner.value.id == "self"
        ):
            yield inner.attr


@each(classes())
def test_no_class_is_too_large(found: Class) -> None:
    assert found.lines <= MOST_LINES
    assert len(found.attributes) <= MOST_ATTRIBUTES


@each(OWN)
def test_nothing_is_too_complex(module: str) -> None:
    """And no exception says that it may be."""
    assert "C901" not in modules()[module].read_text()
    assert "noqa: PLR09" not in modules()[module].read_text()
