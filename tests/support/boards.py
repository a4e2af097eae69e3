"""The generated dashboards as the tests look at them: boards, their parts, queries, selectors."""

import json
import re
from dataclasses import dataclass
from typing import Any

from grafana.build.__main__ import generate

SELECTOR = re.compile(r"\b(ledger_\w+)(?:\{([^}]*)\})?")
MATCHER = re.compile(r'(\w+)(=~|!~|!=|=)"([^"]*)"')
VARIABLES = {"quest": ".*", "layer": ".*", "provider": ".*", "instance": ".*", "window": "7d", "__rate_interval": "1m"}

HEALTH = "ledger-exporter-health"
BOARDS: dict[str, dict[str, Any]] = {board["uid"]: board for board in map(json.loads, generate().values())}


@dataclass(frozen=True)
class Part:
    """A panel of a board, or a variable or link: its JSON, and what it is called there."""

    board: str
    name: str
    body: dict[str, Any]

    def __str__(self) -> str:
        """Where it stands."""
        return f"{self.board}-{self.name}"


@dataclass(frozen=True)
class Query:
    """One query of one panel."""

    board: str
    panel: dict[str, Any]
    target: dict[str, Any]

    @property
    def expr(self) -> str:
        """PromQL, with Grafana's variables in it; empty if there is none, which no parser accepts."""
        expr: str = self.target.get("expr", "")
        return expr

    @property
    def promql(self) -> str:
        """PromQL as Prometheus gets it when all variables are at their default."""
        return re.sub(r"\$\{?(\w+)\}?", lambda found: VARIABLES.get(found[1], found[0]), self.expr)

    def __str__(self) -> str:
        """Where it stands."""
        return f"{self.board}-{self.panel.get('title')}-{self.target.get('refId')}"


@dataclass(frozen=True)
class Selector:
    """One of the product's own metrics in a query, with its matchers: label to operator and value."""

    query: Query
    metric: str
    matchers: dict[str, tuple[str, str]]

    def __str__(self) -> str:
        """Where it stands."""
        return f"{self.query}: {self.metric} {self.matchers}"


def panels() -> list[Part]:
    """Every panel that draws something."""
    return [
        Part(uid, panel.get("title") or f"panel {panel['id']}", panel)
        for uid, board in BOARDS.items()
        for panel in board["panels"]
        if panel["type"] != "row"
    ]


def variables() -> list[Part]:
    """Every variable of every board."""
    return [
        Part(uid, f"${variable.get('name')}", variable)
        for uid, board in BOARDS.items()
        for variable in board["templating"]["list"]
    ]


def queries() -> list[Query]:
    """Every query of every panel."""
    return [Query(panel.board, panel.body, target) for panel in panels() for target in panel.body["targets"]]


def selectors(query: Query) -> list[Selector]:
    """The product's own metrics in a query."""
    return [
        Selector(query, metric, {label: (operator, value) for label, operator, value in MATCHER.findall(matchers)})
        for metric, matchers in SELECTOR.findall(query.expr)
    ]
