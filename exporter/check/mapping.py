"""A ledger in a source: is its relation there, may it be read and not written, and do its columns say what they should?"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from exporter.check import rights
from exporter.check.findings import Finding, Severity, error, note, ok, warning
from exporter.check.indexes import enclosed
from exporter.config import Config, LedgerName
from exporter.databases.transaction import Transaction
from exporter.errors import SourceError
from exporter.ledgers import inspection
from exporter.ledgers.inspection import Relation, Server, sqlstate

_KINDS = {"r": "table", "p": "partitioned table", "v": "view", "m": "materialized view", "f": "foreign table"}
_WHOLE_NUMBERS = {"smallint", "integer", "bigint"}
_FLOATS = {"real", "double precision"}
_FITTING: Mapping[str, set[str]] = {
    "::timestamptz": {"timestamp with time zone"},
    "::numeric": {"numeric", "money", *_FLOATS, *_WHOLE_NUMBERS},
    "::float8": {"numeric", *_FLOATS, *_WHOLE_NUMBERS},
    "::date": {"date"},
}
_ANY_TEXT = {"text", "character varying", "character", "name", "uuid", *_WHOLE_NUMBERS}
_MONEY = {"cost_usd", "allocated_usd", "spent_usd"}
_KNOWN: Mapping[tuple[str, str], tuple[Severity, str, str]] = {
    ("::timestamptz", "timestamp without time zone"): (
        Severity.NOTE,
        "has no time zone, and is taken for UTC",
        "where it is, write {enclosed} at time zone 'UTC', which an index can be made for; else name its time zone",
    ),
    ("::timestamptz", "date"): (
        Severity.WARNING,
        "is a date: all rows of a day are booked at its 00:00 UTC, and none during the day",
        "map it to the instant of the booking",
    ),
    ("::date", "timestamp with time zone"): (Severity.NOTE, "is an instant, and counts for its UTC day", ""),
    ("::date", "timestamp without time zone"): (Severity.NOTE, "is an instant, and counts for its day", ""),
}
_UNTOLD = "unknown"
"""What a server says that tells types of values only (CockroachDB): no row is read."""
_WORDS = {"::timestamptz": "an instant", "::numeric": "a number", "::float8": "a number", "::date": "a day"}


def check(transaction: Transaction, config: Config, ledger: LedgerName, who: Server) -> Iterator[Finding]:
    """Find what there is to say of a ledger's relation and columns; `who` tells as which role they are read."""
    mapping, key = config.ledgers[ledger], f"ledgers.{ledger}"
    try:
        with transaction.savepoint():
            found = inspection.relation(transaction, mapping.relation)
            others = inspection.elsewhere(transaction, mapping.relation) if found is None else []
    except SourceError as problem:
        yield _unfound(problem, mapping.relation, who, f"{key}.relation")
        return
    if found is None or found.kind not in _KINDS:
        yield _absent(mapping.relation, others, f"{key}.relation")
        return
    if not found.partly_readable:
        yield _unreadable(found, who, f"{key}.relation")
        return
    yield from _rights(transaction, found, who, f"{key}.relation")
    hidden = list(_rows(transaction, found, who, f"{key}.relation"))
    yield from hidden
    if not any(finding.severity is Severity.ERROR for finding in hidden):
        yield from _columns(transaction, config, ledger, found, who)


def _unfound(problem: SourceError, relation: str, who: Server, key: str) -> Finding:
    message, schema = f"{relation} cannot be found: {problem}", inspection.schema(relation)
    if sqlstate(problem) == "42501" and schema:
        grant = f"GRANT USAGE ON SCHEMA {schema} TO {who.quoted_role};"
        return error(message, key, "grant it, as the schema's owner", [grant])
    remedy = "name a table or view of this database, with its schema where that is not on the search path"
    return error(message, key, remedy)


def _absent(relation: str, others: list[str], key: str) -> Finding:
    known = (
        f"there is {', '.join(others)}: name it with its schema" if others else "name a table or view of this database"
    )
    return error(f"there is no relation {relation} on the search path", key, known)


def _unreadable(found: Relation, who: Server, key: str) -> Finding:
    return error(
        f"the role {who.role} may not read {found.name}",
        key,
        "grant it, as the relation's owner",
        [_grant(found, who)],
    )


def _grant(found: Relation, who: Server) -> str:
    return f"GRANT SELECT ON {found.name} TO {who.quoted_role};"


def _rights(transaction: Transaction, found: Relation, who: Server, key: str) -> Iterator[Finding]:
    columns = "" if found.readable else ", some of its columns"
    yield ok(f"{found.name} is a {_KINDS[found.kind]}, and may be read{columns}")
    if found.writable and not who.superuser:
        yield rights.may_write(transaction, found, who, key)


def _rows(transaction: Transaction, found: Relation, who: Server, key: str) -> Iterator[Finding]:
    """Find reasons why not every row may be there."""
    if found.kind == "m":
        yield warning(
            f"{found.name} is a materialized view: it shows what there was when it was refreshed last",
            key,
            "name what it is made of, or refresh it as often as the figures are to change",
        )
    try:
        with transaction.savepoint():
            tables = inspection.tables(transaction, found.name)
    except SourceError as problem:
        yield note(f"whether row level security hides rows cannot be asked of this server: {problem}", key)
        return
    for table in tables:
        if table.is_secured:
            yield error(
                f"row level security applies to {table.name}: rows may be hidden, so the ledger is not read at all",
                key,
                "let the role see every row, as a superuser; or name a view whose owner row level security spares",
                [f"ALTER ROLE {who.quoted_role} BYPASSRLS;"],
            )


def _columns(
    transaction: Transaction, config: Config, ledger: LedgerName, found: Relation, who: Server
) -> Iterator[Finding]:
    mapping = config.ledgers[ledger]
    casts = inspection.casts(ledger)
    judged: list[Finding] = []
    told: set[str] = set()
    present = [column for column in mapping.expressions if mapping.has(column)]
    for column in present:
        key = f"ledgers.{ledger}.columns.{column}"
        try:
            with transaction.savepoint():
                kind = inspection.column_type(transaction, mapping, column, casts[column])
        except SourceError as problem:
            judged.append(_broken(problem, key, found, who, optional=column in mapping.OPTIONAL))
            continue
        told.add(kind)
        judged += _fit(column, mapping.expression(column), kind, casts[column], key)
    absent = [column for column in mapping.expressions if not mapping.has(column)]
    without = f", {', '.join(absent)} not mapped" if absent else ""
    if not judged:
        fitting = "can be cast; their types this server does not tell" if _UNTOLD in told else "of fitting types"
        yield ok(f"{len(present)} columns are there, and {fitting}{without}")
    yield from judged


def _broken(problem: SourceError, key: str, found: Relation, who: Server, *, optional: bool) -> Finding:
    lacking = "; or to null, where the ledger has nothing of the kind" if optional else ""
    if sqlstate(problem) == "42501":
        grant = [] if found.readable else [_grant(found, who)]  # else it reads from another relation
        return error(str(problem), key, "let the role read what the expression needs", grant)
    return error(str(problem), key, f"map it to an expression over the columns of {found.name}{lacking}")


def _fit(column: str, expression: str, kind: str, cast: str, key: str) -> Iterator[Finding]:
    """Judge whether an expression's type is one that says what the column should."""
    bare = kind.partition("(")[0]
    if kind == _UNTOLD:
        return
    if not cast:
        if bare not in _WHOLE_NUMBERS:
            yield note(
                f"is {kind}: ids that are no whole numbers do not tell which rows are new",
                key,
                "nothing need be done; rows booked late for an earlier instant show once the ledger is verified",
            )
    elif cast == "::text":
        if bare not in _ANY_TEXT:
            yield note(f"is {kind}, and is shown as text", key)
    elif bare not in _FITTING[cast] or (column in _MONEY and bare in _FLOATS):
        yield _unfitting(column, expression, kind, cast, key)
    elif column in _MONEY and bare in _WHOLE_NUMBERS:
        yield warning(
            f"{expression} is {kind}: whole US dollars",
            key,
            "where these are cents, write / 100.0; whole numbers divided by 100 lose the cents",
        )


def _unfitting(column: str, expression: str, kind: str, cast: str, key: str) -> Finding:
    if column in _MONEY and kind in _FLOATS:
        return warning(
            f"{expression} is {kind}: money in binary fractions is rounded before it is added",
            key,
            "book money as numeric; until then figures are as exact as the column",
        )
    if (cast, kind) in _KNOWN:
        severity, message, remedy = _KNOWN[cast, kind]
        return Finding(severity, f"{expression} {message}", key, remedy.format(enclosed=enclosed(expression)))
    return warning(
        f"{expression} is {kind}, and is read as {_WORDS[cast]}: one row that is none fails every refresh",
        key,
        f"map it to an expression of type {cast.removeprefix('::')} that is NULL where there is none",
    )
