"""An index that is missing: the statements that make it, or why no index can lead there and what to map instead."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from exporter.databases.transaction import Transaction
from exporter.errors import SourceError
from exporter.ledgers import inspection
from exporter.ledgers.inspection import Mapped, Relation, sqlstate
from exporter.ledgers.ledger import Ledger

_NAME = re.compile(r'[^\W\d][\w$]*|"(?:[^"]|"")+"')
_UNCAST = {"::timestamptz": "timestamp with time zone", "::date": "date"}
"""What need not be cast to be what a question looks for."""
_INSTEAD: Mapping[tuple[str, str], str] = {
    ("::timestamptz", "timestamp without time zone"): "{} at time zone 'UTC'",
    ("::timestamptz", "date"): "{}::timestamp at time zone 'UTC'",
    ("::date", "timestamp with time zone"): "({} at time zone 'UTC')::date",
}
"""What means the same as an expression of such a type so cast, and depends on no setting: an index can be made of it."""
_SET_RETURNING = "0A000"
_RANGE_ORDER = " DESC"
"""Where an index is hashed unless an order is asked for (YugabyteDB): one that is finds no range."""


@dataclass(frozen=True)
class Advice:
    """What to do for an index: the statements, where it can be made by some."""

    remedy: str
    statements: Sequence[str] = ()


def advise(transaction: Transaction, ledger: Ledger[Any, Any, Any], column: str, *, hashed: bool) -> Advice:
    """Tell what to do for an index on what a column is mapped to; `hashed` is what an index is there without an order."""
    expression = ledger.mapping.expression(column)
    try:
        with transaction.savepoint():
            return _advise(transaction, ledger, column, _RANGE_ORDER if hashed else "")
    except SourceError as problem:
        if sqlstate(problem) == _SET_RETURNING:
            return Advice(
                "no index finds what an expression makes several rows of: let it be where the relation is small; else name"
                " a table or materialized view that has these rows, with an index"
            )
        return Advice(f"make an index on {expression} where the rows of {ledger.mapping.relation} are stored")


def _advise(transaction: Transaction, ledger: Ledger[Any, Any, Any], column: str, order: str) -> Advice:
    mapping, expression = ledger.mapping, ledger.mapping.expression(column)
    cast = inspection.casts(ledger.name)[column]
    kind = inspection.column_type(transaction, mapping, column, cast)
    sought = expression if kind == _UNCAST.get(cast, kind) else f"({expression}){cast}"
    can_be_made = inspection.is_immutable(transaction, mapping, sought)
    better = None if can_be_made else _instead(transaction, mapping, column, kind, cast)
    found = inspection.relation(transaction, mapping.relation)
    if better is not None:
        return better
    if found is not None and found.kind == "v":
        return _below(transaction, found, expression)
    if not can_be_made:
        return _unfit(expression, kind, column)
    if found is None or found.kind == "f" or found.inherited:
        return Advice(f"make an index on {sought} where the rows of {mapping.relation} are stored")
    leaves = inspection.partitions(transaction, mapping.relation) if found.kind == "p" else []
    return Advice("make one; it takes a while, and locks nobody out", statements(found.name, sought, leaves, order))


def _instead(transaction: Transaction, mapping: Mapped, column: str, kind: str, cast: str) -> Advice | None:
    """Return what to map instead, if that is known to be of use."""
    form = _INSTEAD.get((cast, kind))
    better = form and form.format(enclosed(mapping.expression(column)))
    if not better or not inspection.is_immutable(transaction, mapping, better):
        return None
    said = json.dumps(better, ensure_ascii=False)
    return Advice(
        f"no index can: what a {kind} is as {_a(cast)} depends on a setting. Map the column so, which means the same here,"
        f" and check again: {column}: {said}"
    )


def _unfit(expression: str, kind: str, column: str) -> Advice:
    wanted = "date" if column == "day" else "whole number" if column == "id" else "timestamptz"
    return Advice(
        f"no index can: what {expression} ({kind}) is, does not depend on its row alone (it is not immutable, or asks"
        f" elsewhere). Map {column} to a column of type {wanted}, or to an expression that an index can be made of:"
        " docs/mapping.md"
    )


def _a(cast: str) -> str:
    return {"::timestamptz": "an instant", "::date": "a day"}[cast]


def _below(transaction: Transaction, view: Relation, expression: str) -> Advice:
    tables = " or ".join(table.name for table in inspection.tables(transaction, view.name))
    return Advice(
        f"{view.name} is a view: make an index on what {expression} is in {tables}, and see that the view hands the"
        " condition down"
    )


def enclosed(expression: str) -> str:
    """Return an expression that an operator may follow."""
    return expression if _NAME.fullmatch(expression) else f"({expression})"


def statements(relation: str, expression: str, partitions: Sequence[str] = (), order: str = "") -> list[str]:
    """Return the statements that make an index without locking writers out.

    On a partitioned table that goes partition by partition; the last statement then finds all done, and ties them together.
    """
    indexed = f"({enclosed(expression)}{order});"
    if not partitions:
        return [f"CREATE INDEX CONCURRENTLY ON {relation} {indexed}"]
    each = [f"CREATE INDEX CONCURRENTLY ON {partition} {indexed}" for partition in partitions]
    return [*each, f"CREATE INDEX ON {relation} {indexed}"]
