"""What a database says of itself: server, role, relations, columns and plans. Asked by `check`, never by a refresh."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Any

from psycopg import ProgrammingError
from psycopg.conninfo import conninfo_to_dict
from pydantic import SecretStr

from exporter.config import BudgetLedger, CostLedger, ImpactLedger, LedgerName
from exporter.errors import SourceError
from exporter.ledgers.ledger import uses_index
from exporter.ledgers.source import Query, Transaction, sql_file

_CAST = re.compile(r"\(\{(\w+)\}\)(::\w+)?")
_SQLSTATE = re.compile(r"SQLSTATE (\w{5})")

Mapped = CostLedger | ImpactLedger | BudgetLedger


def address(conninfo: SecretStr) -> str:
    """Return where a connection string leads and as whom, without its secrets: `role@host:port/database`."""
    try:
        options = {name: str(value) for name, value in conninfo_to_dict(conninfo.get_secret_value()).items()}
    except ProgrammingError:
        return "?"
    host = options.get("host") or options.get("hostaddr") or options.get("service") or "localhost"
    role, database = options.get("user", ""), options.get("dbname", "")
    return f"{role}{'@' if role else ''}{host}:{options.get('port', '5432')}/{database}"


def holds_password(conninfo: SecretStr) -> bool:
    """Tell whether a connection string contains a password."""
    try:
        return "password" in conninfo_to_dict(conninfo.get_secret_value())
    except ProgrammingError:
        return False


def sqlstate(error: SourceError) -> str:
    """Return the code PostgreSQL gave an error, empty where it gave none."""
    found = _SQLSTATE.search(str(error))
    return found[1] if found else ""


@dataclass(frozen=True)
class Server:
    """A server as it presents itself. `version` is as in `server_version_num`: 150004 is 15.4."""

    version: int
    product: str
    role: str
    superuser: bool
    replica: bool

    @property
    def major(self) -> int:
        """Return the major version."""
        return self.version // 10_000


def server(transaction: Transaction) -> Server:
    """Ask which server this is.

    Raises:
        SourceError: it does not say.
    """
    return Server(*_only(transaction, "server", {}))


def clock(transaction: Transaction) -> float:
    """Ask for the server's time, in Unix seconds."""
    return float(_only(transaction, "clock", {})[0])


@dataclass(frozen=True)
class Lag:
    """How far a replica is behind. `seconds` is the age of the newest replayed transaction, None before the first."""

    receiving: bool
    replayed_all: bool
    seconds: float | None


def lag(transaction: Transaction) -> Lag:
    """Ask a replica how far it is behind."""
    return Lag(*_only(transaction, "replica", {}))


def unprotected(transaction: Transaction) -> bool:
    """Tell whether what is read crosses a network unencrypted."""
    tls, host = _only(transaction, "protection", {})
    return tls is None and host is not None and not ip_address(host).is_loopback


@dataclass(frozen=True)
class Relation:
    """A table or view. `kind` is that of `pg_class.relkind`; `writable` are the privileges to change it."""

    name: str
    kind: str
    readable: bool
    partly_readable: bool
    writable: tuple[str, ...]


def relation(transaction: Transaction, name: str) -> Relation | None:
    """Ask for a relation by its name in the configuration; None where there is none on the search path."""
    found = transaction.rows(sql_file("inspection/relation"), {"relation": name})
    if not found:
        return None
    ((full, kind, readable, partly, writable),) = found
    return Relation(full, kind, readable, partly, tuple(writable))


def elsewhere(transaction: Transaction, name: str) -> list[str]:
    """Ask for relations of the same name in any schema."""
    return _names(transaction, "elsewhere", name)


def partitions(transaction: Transaction, name: str) -> list[str]:
    """Ask for the partitions that hold a table's rows."""
    return _names(transaction, "partitions", name)


@dataclass(frozen=True)
class BaseTable:
    """A table that a relation is made of; `is_secured` tells whether row level security applies to who reads it."""

    name: str
    kind: str
    is_secured: bool


def tables(transaction: Transaction, name: str) -> list[BaseTable]:
    """Ask for the tables a relation is made of."""
    rows = transaction.rows(sql_file("inspection/tables"), {"relation": name})
    return [BaseTable(*row) for row in rows]


def casts(ledger: LedgerName) -> dict[str, str]:
    """Return what each reference column is cast to when rows are read, empty where it is taken as it is."""
    return dict(_CAST.findall(sql_file(f"{ledger}/rows")))


def column_type(transaction: Transaction, mapping: Mapped, column: str, cast: str) -> str:
    """Ask for the type of what a reference column is mapped to.

    Raises:
        SourceError: the expression cannot be read, or not cast; the message has the database's words.
    """
    expression, source = mapping.expression(column).replace("%", "%%"), mapping.relation.replace("%", "%%")
    query = sql_file("inspection/column").format(expression=expression, relation=source, cast=cast)
    ((kind, _),) = transaction.rows(query, {})
    return str(kind)


def is_led_to(transaction: Transaction, query: Query) -> bool:
    """Ask how a query would be carried out; tell whether an index leads to all rows it needs.

    As tables may be small yet, reading them whole is made the last resort.

    Raises:
        SourceError: the database refuses the query.
    """
    with transaction.savepoint():
        _allow_seqscan(transaction, allowed=False)
        found = plan(transaction, query)
        _allow_seqscan(transaction, allowed=True)
    return uses_index(found)


def plan_as_text(transaction: Transaction, query: Query) -> list[str]:
    """Ask how a query would be carried out, in the server's own words: any server has some for a query that is valid there.

    Raises:
        SourceError: the database refuses the query.
    """
    with transaction.savepoint():
        return [str(line) for line, *_ in transaction.rows(f"explain {query.text}", query.parameters)]


def plan(transaction: Transaction, query: Query) -> Mapping[str, Any]:
    """Ask how a query would be carried out.

    Raises:
        SourceError: the database refuses the query.
    """
    with transaction.savepoint():
        ((answer,),) = transaction.rows(f"explain (format json) {query.text}", query.parameters)
    found: Mapping[str, Any] = answer[0]["Plan"]
    return found


def _allow_seqscan(transaction: Transaction, *, allowed: bool) -> None:
    transaction.rows(sql_file("ranges/no_seqscan"), {"setting": "on" if allowed else "off"})


def _only(transaction: Transaction, name: str, parameters: Mapping[str, object]) -> tuple[Any, ...]:
    (row,) = transaction.rows(sql_file(f"inspection/{name}"), parameters)
    return row


def _names(transaction: Transaction, name: str, relation: str) -> list[str]:
    return [found for (found,) in transaction.rows(sql_file(f"inspection/{name}"), {"relation": relation})]
