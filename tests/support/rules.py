"""The alerting and recording rules of this repository, and their promtool tests, as data."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[2]
PROMETHEUS = ROOT / "prometheus"
RULE_FILES = sorted((PROMETHEUS / "rules").glob("*.yml"))
TEST_FILES = sorted((PROMETHEUS / "tests").glob("*.yml"))

_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # libyaml, where there is it, is ten times as fast
_SECONDS = {"w": 604_800, "d": 86_400, "h": 3600, "m": 60, "s": 1}


@dataclass(frozen=True)
class Rule:
    """A rule of the file of a view; `alert` and `record` are its names, one of them empty."""

    view: str
    alert: str
    record: str
    expr: str
    body: dict[str, Any]

    def __str__(self) -> str:
        """Where it stands."""
        return f"{self.view}.yml, {self.alert or self.record}"

    @property
    def labels(self) -> dict[str, str]:
        return self.body.get("labels", {})

    @property
    def annotations(self) -> dict[str, str]:
        return self.body.get("annotations", {})

    @property
    def queries(self) -> list[str]:
        """What the annotations ask Prometheus, with the labels they fill in as an `x`."""
        return [
            query.replace('\\"', '"').replace("%q", '"x"') for query in _queries(" ".join(self.annotations.values()))
        ]


def _queries(template: str) -> list[str]:
    """Each PromQL expression in a template: the argument of `query`, or of the `printf` that is piped into it."""
    return re.findall(r'(?:query|printf) "((?:[^"\\]|\\.)*(?:ledger_|platform:)(?:[^"\\]|\\.)*)"', template)


@dataclass(frozen=True)
class Case:
    """A promtool test: its name, its file's interval, when which alert is expected to fire or not, what else is evaluated."""

    view: str
    name: str
    interval_seconds: int
    checks: tuple[tuple[int, str, bool], ...]
    expressions: tuple[str, ...]

    def __str__(self) -> str:
        """Where it stands."""
        return f"{self.view}.yml, {self.name}"

    def of(self, alert: str) -> list[tuple[int, bool]]:
        """When, in order, an alert is checked, and whether it then fires."""
        return sorted((at, fires) for at, name, fires in self.checks if name == alert)


def seconds(duration: str) -> int:
    """The seconds of a Prometheus duration."""
    return sum(int(number) * _SECONDS[unit] for number, unit in re.findall(r"(\d+)([wdhms])", duration))


def load(file: Path) -> dict[str, Any]:
    """A file of rules, or of their tests."""
    document: dict[str, Any] = yaml.load(file.read_text(), _LOADER)  # noqa: S506  both loaders are safe ones
    return document


@cache
def rules() -> tuple[Rule, ...]:
    """Every rule, in the order of the files."""
    return tuple(
        Rule(file.stem, body.get("alert", ""), body.get("record", ""), str(body["expr"]), body)
        for file in RULE_FILES
        for group in load(file)["groups"]
        for body in group["rules"]
    )


def alerts() -> list[Rule]:
    """Every alerting rule."""
    return [rule for rule in rules() if rule.alert]


@cache
def cases() -> tuple[Case, ...]:
    """Every promtool test."""
    documents = [load(file) for file in TEST_FILES]
    return tuple(_case(document, test) for document in documents for test in document["tests"])


def _case(document: dict[str, Any], test: dict[str, Any]) -> Case:
    checks = tuple(
        (seconds(check["eval_time"]), check["alertname"], bool(check["exp_alerts"]))
        for check in test.get("alert_rule_test", ())
    )
    expressions = tuple(check["expr"] for check in test.get("promql_expr_test", ()))
    (rule_file,) = document["rule_files"]
    return Case(Path(rule_file).stem, test["name"], seconds(document["evaluation_interval"]), checks, expressions)
