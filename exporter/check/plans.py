"""Every question a ledger is asked, planned but not run: is it valid here, and does an index lead to what it needs?"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from exporter.check import indexes
from exporter.check.findings import Finding, error, note, ok, warning
from exporter.config import Config, LedgerName
from exporter.databases.query import Query, ask
from exporter.databases.transaction import Transaction
from exporter.errors import SourceError
from exporter.ledgers import inspection
from exporter.ledgers.budget import Budget
from exporter.ledgers.cost import Cost
from exporter.ledgers.impact import Impact
from exporter.ledgers.ledger import UNINDEXED_ROWS, Abilities, Ledger
from exporter.ledgers.probe import probe
from exporter.ledgers.question import Question
from exporter.ledgers.span import Span
from exporter.names.families import Families
from exporter.sums import TaskNumbers
from exporter.sums.days import MICROSECONDS_A_DAY

OF_ALL: Mapping[LedgerName, Sequence[str]] = {
    "cost": ("state", "spend", "tasks", "recent_tasks"),
    "impact": ("state", "outcomes", "waste", "best", "wasted"),
    "budget": ("state", "allocations", "current", "names"),
}
"""What `reconcile`, and refreshes of a ledger without an index, ask of the whole of it."""
_ROWS = 10_000
"""For how many rows at most a question is planned."""
_AHEAD_SECONDS = 300
_OWN_WORDS = "the message has the database's own words"


@dataclass(frozen=True)
class Asked:
    """A question under its name, and the reference column whose index it needs; none where it reads all there is."""

    name: str
    query: Query
    column: str = ""


@dataclass(frozen=True)
class Plans:
    """How a ledger's questions would be carried out. `charges_a_day` are those of yesterday, as the planner believes."""

    findings: Sequence[Finding]
    abilities: Abilities | None = None
    charges_a_day: int = 0


def ledger_of(config: Config, name: LedgerName) -> Ledger[Any, Any, Any]:
    """Return a ledger as the configuration maps it."""
    ledgers: dict[LedgerName, Ledger[Any, Any, Any]] = {
        "cost": Cost(config.ledgers.cost, Families(config.providers), TaskNumbers()),
        "impact": Impact(config.ledgers.impact, config.waste, config.efficiency.top),
        "budget": Budget(config.ledgers.budget),
    }
    return ledgers[name]


def check(
    transaction: Transaction, config: Config, name: LedgerName, question: Question, *, hashed: bool = False
) -> Plans:
    """Plan every question of a ledger; `hashed` is what an index is on this server without an order."""
    ledger, key = ledger_of(config, name), f"ledgers.{name}"
    try:
        with transaction.savepoint():
            abilities = transaction.hold(probe(ledger, question))
    except SourceError as problem:
        return Plans([error(f"cannot be probed: {problem}", key, _OWN_WORDS)])
    asked = list(questions(ledger, config, question, abilities))
    refused = [finding for each in asked for finding in _refused(transaction, each, key)]
    if refused:
        return Plans(refused, abilities)
    ahead = _ahead(transaction, ledger, question) if abilities.indexed or abilities.rows < UNINDEXED_ROWS else []
    columns = dict.fromkeys(each.column for each in asked if each.column)
    valid = f"{len(asked)} queries are valid here"
    if not abilities.plans:
        return Plans([ok(valid), _unjudged(ledger, columns), *ahead], abilities)
    missing = [
        _missing(transaction, ledger, column, [each.name for each in asked if each.column == column], hashed=hashed)
        for column in columns
        if not inspection.is_led_to(transaction, _search(ledger, column, question, question.today))
    ]
    led = "an index leads to " + ", ".join(columns) if not missing else "an index is missing"
    return Plans([ok(f"{valid}; {led}"), *missing, *ahead], abilities, _charges_a_day(transaction, ledger, question))


def _charges_a_day(transaction: Transaction, ledger: Ledger[Any, Any, Any], question: Question) -> int:
    if ledger.name != "cost":
        return 0
    yesterday = _search(ledger, "created_at", question, question.yesterday)
    return int(inspection.plan(transaction, yesterday)["Plan Rows"])


def _unjudged(ledger: Ledger[Any, Any, Any], columns: Iterable[str]) -> Finding:
    """Tell which indexes nobody has looked for, because the server has no plans that are understood here."""
    expressions = [ledger.mapping.expression(column) for column in columns]
    return note(
        f"whether an index leads to {', '.join(expressions)} is not judged: the plans of this server are not PostgreSQL's",
        f"ledgers.{ledger.name}",
        "see that each has one; the exporter takes them to be there: docs/scaling.md",
    )


def _refused(transaction: Transaction, asked: Asked, key: str) -> list[Finding]:
    try:
        inspection.plan_as_text(transaction, asked.query)
    except SourceError as problem:
        return [error(f"the question {asked.name} is refused: {problem}", key, _OWN_WORDS)]
    return []


def _search(ledger: Ledger[Any, Any, Any], column: str, question: Question, day: int) -> Query:
    """Return a query that looks for rows, of a day, by one column alone, so that no other index can lead to them."""
    condition = {"id": "id > %(floor)s", "updated_at": "updated >= %(start)s::timestamptz"}.get(column, ledger.within())
    where = Span(day * MICROSECONDS_A_DAY, (day + 1) * MICROSECONDS_A_DAY)
    text = f"select instant from ({ledger.mapped()}) as ledger where {condition}"
    return Query(text, {**question.parameters, **where.parameters, "floor": 0})


def questions(
    ledger: Ledger[Any, Any, Any], config: Config, question: Question, abilities: Abilities
) -> Iterator[Asked]:
    """Yield all that is ever asked of a ledger, by refreshes, `reconcile` and `backfill`."""
    recent = Span(question.yesterday * MICROSECONDS_A_DAY, (question.today + 2) * MICROSECONDS_A_DAY)
    waste = {"min_tokens": config.waste.min_tokens, "max_impact": config.waste.max_impact}
    instant = "day" if ledger.name == "budget" else "created_at"
    for name in OF_ALL[ledger.name]:
        yield Asked(f"{ledger.name}/{name}", ledger.whole(name, {**question.parameters, **waste}))
    yield Asked(f"{ledger.name}/range", ledger.rows_of(recent, question, abilities, _ROWS), instant)
    yield Asked(f"{ledger.name}/range", ledger.oldest_rows_of(recent, question, abilities, _ROWS), instant)
    yield Asked("questions/state", ledger.state(abilities))
    yield Asked("questions/newest", ledger.newest(recent, _ROWS), instant)
    yield Asked("questions/counted", ledger.counted([recent.start], recent.end), instant)
    yield Asked("questions/fingerprints", ledger.fingerprints([recent.start], recent.end, abilities), instant)
    if abilities.ids:
        yield Asked(f"{ledger.name}/range", ledger.rows_with([0], recent, question, abilities), "id")
        yield Asked("questions/late", ledger.late(0, recent, _ROWS), "id")
        yield Asked("questions/late_sum", ledger.late_sum(0), "id")
    if ledger.has_updates:
        yield Asked("questions/changed", ledger.changed(recent.start, recent.end, _ROWS), "updated_at")


def _ahead(transaction: Transaction, ledger: Ledger[Any, Any, Any], question: Question) -> list[Finding]:
    """Find rows booked for an instant to come: as a rule, a time zone. Budgets are made ahead, and may be."""
    if ledger.name == "budget":
        return []
    now = int(question.now.timestamp() * 1_000_000)
    query = ledger.newest(Span(now, (question.today + 2) * MICROSECONDS_A_DAY), 1)
    try:
        with transaction.savepoint():
            (((_, newest),),) = transaction.hold(ask(query))
    except SourceError:
        return []  # told by the refresh on trial
    if newest is None or newest - now < _AHEAD_SECONDS * 1_000_000:
        return []
    return [
        warning(
            f"rows are booked up to {(newest - now) / 3_600_000_000:.1f} hours ahead of now",
            f"ledgers.{ledger.name}.columns.created_at",
            "where that is not meant, the instants are of another time zone: see docs/mapping.md",
        )
    ]


_CONSEQUENCE = {
    "created_at": "the ledger is read whole at each refresh",
    "day": "the ledger is read whole at each refresh",
    "id": "looking for late rows reads the ledger whole at each refresh",
    "updated_at": "scores that come later are shown once the ledger is verified, not at the next refresh",
}


def _missing(
    transaction: Transaction, ledger: Ledger[Any, Any, Any], column: str, names: Sequence[str], *, hashed: bool
) -> Finding:
    """Tell that no index leads to a column, and what to do. In a small ledger it is no matter yet."""
    rows = inspection.stored_rows(transaction, ledger.mapping)
    advice = indexes.advise(transaction, ledger, column, hashed=hashed)
    tell = warning if rows >= UNINDEXED_ROWS else note
    return tell(
        f"no index leads to {ledger.mapping.expression(column)} ({', '.join(names)}; about {rows:,} rows):"
        f" {_CONSEQUENCE[column]}{'' if rows >= UNINDEXED_ROWS else ' once it has grown'}",
        f"ledgers.{ledger.name}.columns.{column}",
        advice.remedy,
        advice.statements,
    )
