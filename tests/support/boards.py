"""The generated dashboards as the tests look at them: boards, panels, queries, selectors."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from grafana.build.__main__ import generate

SELECTOR = re.compile(r"\b(ledger_\w+)(?:\{([^}]*)\})?")
MATCHER = re.compile(r'(\w+)(=~|!~|!=|=)"([^"]*)"')
VARIABLES = {"quest": ".*", "layer": ".*", "provider": ".*", "instance": ".*", "window": "7d", "__rate_interval": "1m"}

BOARDS: dict[str, dict[str, Any]] = {board["uid"]: board for board in map(json.loads, generate().values())}


@dataclass(frozen=True)
class Query:
    """One query of one panel."""

    board: str
    panel: dict[str, Any]
    target: dict[str, Any]

    @property
    def expr(self) -> str:
        """PromQL, with Grafana's variables in it."""
        expr: str = self.target["expr"]
        return expr

    @property
    def promql(self) -> str:
        """PromQL as Prometheus gets it when all variables are at their default."""
        return re.sub(r"\$\{?(\w+)\}?", lambda found: VARIABLES.get(found[1], found[0]), self.expr)

    def __str__(self) -> str:
        """Where it stands, for the names of tests."""
        return f"{self.board}-{self.panel['title']}-{self.target['refId']}"


@dataclass(frozen=True)
class Selector:
    """A metric in a query, and its matchers."""

    metric: str
    matchers: dict[str, tuple[str, str]]


def panels() -> Iterator[tuple[str, dict[str, Any]]]:
    """Every panel that draws something, with its board's uid."""
    for uid, board in BOARDS.items():
        for panel in board["panels"]:
            if panel["type"] != "row":
                yield uid, panel


def queries() -> Iterator[Query]:
    """Every query of every panel."""
    for uid, panel in panels():
        for target in panel["targets"]:
            yield Query(uid, panel, target)


def selectors(expr: str) -> list[Selector]:
    """The product's own metrics in `expr`."""
    return [
        Selector(metric, {label: (operator, value) for label, operator, value in MATCHER.findall(matchers)})
        for metric, matchers in SELECTOR.findall(expr)
    ]
