"""Queries, and dialogues that ask them: the same reading code can be asked alone or together with others."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any, TypeVar

from exporter.errors import SourceError


@dataclass(frozen=True)
class Query:
    """A statement and its parameters.

    `owner` names the ledger that asks, so that an error can be attributed. `is_repeated` tells whether every refresh sends
    the same text, which makes preparing it worthwhile; `is_binary` whether values travel in PostgreSQL's binary format, in
    which an instant arrives as microseconds since 2000.
    """

    text: str
    parameters: Mapping[str, object]
    owner: str = ""
    is_repeated: bool = False
    is_binary: bool = False


T = TypeVar("T")
Result = list[tuple[Any, ...]]
Dialogue = Generator[list[Query], list[Result], T]
"""Yields batches of queries, is sent their results, and returns what it makes of them."""


@cache
def sql_file(name: str) -> str:
    """Return the text of a file below `exporter/ledgers/sql/`, given as `cost/spend`."""
    return resources.files("exporter.ledgers").joinpath(f"sql/{name}.sql").read_text(encoding="utf-8")


_AMOUNTS = {"cost_usd", "impact_score", "allocated_usd", "spent_usd"}
_AS_TEXT = (
    "case when pg_typeof({0})::text in ('real', 'double precision') then ({0})::text else ({0})::numeric::text end"
)


def escaped(expressions: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Return the expressions of columns as they stand in a query; those of amounts as exact text.

    Cast to numeric, a floating-point number keeps 15 digits at most, and a `real` six; its shortest text has them all. Other
    types are cast to numeric first: the text of `money` is no number.
    """
    found = {column: expression.replace("%", "%%") for column, expression in expressions}
    return {column: _AS_TEXT.format(text) if column in _AMOUNTS else text for column, text in found.items()}


@cache
def _compose(name: str, rows: str, relation: str, expressions: tuple[tuple[str, str], ...], span: str) -> str:
    mapped = sql_file(rows).format(relation=relation.replace("%", "%%"), span=span, **escaped(expressions))
    return sql_file(name).format(rows=mapped)


def compose(name: str, rows: str, relation: str, expressions: Mapping[str, str], span: str = "true") -> str:
    """Return a question over the rows of a ledger as the configuration maps them, or over those that meet a condition."""
    return _compose(name, rows, relation, tuple(expressions.items()), span)


def ask(*queries: Query) -> Dialogue[list[Result]]:
    """Ask one batch of queries and return the results."""
    return (yield list(queries))


def given(value: T) -> Dialogue[T]:
    """Ask nothing and return a value."""
    return value
    yield []


def together(dialogues: Sequence[Dialogue[T]]) -> Dialogue[list[T]]:
    """Run dialogues side by side: what they ask at the same step becomes one batch."""
    found: dict[int, T] = {}
    asked: dict[int, list[Query]] = {}
    for position, dialogue in enumerate(dialogues):
        try:
            asked[position] = next(dialogue)
        except StopIteration as done:
            found[position] = done.value
    while asked:
        results = yield [query for queries in asked.values() for query in queries]
        step, asked = asked, {}
        for position, queries in step.items():
            answers, results = results[: len(queries)], results[len(queries) :]
            try:
                asked[position] = dialogues[position].send(answers)
            except StopIteration as done:
                found[position] = done.value
    return [found[position] for position in range(len(dialogues))]


def refuse(condition: bool, message: str, owner: str) -> None:  # noqa: FBT001 - read as "refuse(a, why)"
    """Raise an error of a ledger where a condition holds.

    Raises:
        SourceError: it does.
    """
    if condition:
        raise SourceError(message, owner=owner)
