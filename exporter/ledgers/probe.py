"""Asking what a server and a relation can do for the incremental refresh."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from exporter.databases.query import Dialogue, Query, Result, sql_file
from exporter.ledgers.ledger import Abilities, Ledger
from exporter.ledgers.question import Question
from exporter.ledgers.span import Span


def probe(ledger: Ledger[Any, Any, Any], question: Question) -> Dialogue[Abilities]:
    """Ask what the server and the relation can do."""
    (((plans, identity, snapshots, id_type),),) = yield [_server(ledger)]
    able = Abilities(
        identity=identity,
        snapshots=snapshots,
        ids=id_type in ("bigint", "integer", "smallint"),
        rows=0,
        indexed=True,
        updates_indexed=ledger.has_updates,
        plans=plans,
    )
    if not plans:
        return able
    answers: list[Result] = yield [_kind(ledger), *_plans(ledger, question)]
    (((has_versions, counts),), size, _, *judged, _) = answers
    # A row may enter a view by an update, with an id of long ago; so may one of a relation on another machine.
    able = replace(able, fingerprint="version" if has_versions else "hash", counts=counts, ids=able.ids and counts)
    return able.judged(*(answer[0][0][0]["Plan"] for answer in (size, *judged)))


def _kind(ledger: Ledger[Any, Any, Any]) -> Query:
    return Query(sql_file("questions/kind"), {"relation": ledger.mapping.relation}, ledger.name)


def _server(ledger: Ledger[Any, Any, Any]) -> Query:
    id_type = sql_file("questions/id_type").format(mapped=ledger.mapped()) if ledger.has_ids else "null::text"
    return Query(sql_file("questions/probe").format(id_type=id_type), {}, ledger.name)


def _plans(ledger: Ledger[Any, Any, Any], question: Question) -> list[Query]:
    """Ask how rows would be found: all, those of a minute, and those updated in it.

    The minute looked for is the present one: of a relation in partitions any other may be in none.
    """
    minute = Span(question.microseconds, question.microseconds + 60_000_000).parameters
    off, on = (Query(sql_file("questions/no_seqscan"), {"setting": setting}, ledger.name) for setting in ("off", "on"))
    queries: list[Query] = [_plan(ledger, "size", "true", {}), off, _plan(ledger, "plan", ledger.within(), minute)]
    if ledger.has_updates:
        updated = "updated >= %(start)s::timestamptz and updated < %(end)s::timestamptz"
        queries.append(_plan(ledger, "plan", updated, minute))
    return [*queries, on]


def _plan(ledger: Ledger[Any, Any, Any], name: str, condition: str, parameters: Mapping[str, object]) -> Query:
    return Query(ledger.text(f"questions/{name}", condition), parameters, ledger.name)
