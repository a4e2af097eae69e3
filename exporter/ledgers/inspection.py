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
from exporter.databases.query import Query, sql_file
from exporter.databases.transaction import Transaction
from exporter.errors import SourceError
from exporter.ledgers.ledger import uses_index

_CAST = re.compile(r"\(\{(\w+)\}\)(::\w+)?")
_IDENTIFIER = re.compile(r'[^\W\d][\w$]*|"(?:[^"]|"")+"')
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
    """A server as it presents itself. `version` is as in `server_version_num`: 150004 is 15.4.

    `quoted_role` is the role as it stands in a statement.
    """

    version: int
    product: str
    role: str
    quoted_role: str
    superuser: bool
    replica: bool

    @property
    def major(self) -> int:
        """Return the major version."""
        return self.version // 10_000

    @property
    def hashes(self) -> bool:
        """Tell whether an index is hashed unless an order is asked for (YugabyteDB)."""
        return "-YB-" in self.product


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
    """A table or view. `kind` is that of `pg_class.relkind`; `writable` are the privileges to change it.

    `name` has its schema, and stands in a statement as it is; so does `schema`. `inherited` tells whether rows stand in other
    tables that are no partitions.
    """

    name: str
    schema: str
    kind: str
    inherited: bool
    readable: bool
    partly_readable: bool
    writable: tuple[str, ...]


def relation(transaction: Transaction, name: str) -> Relation | None:
    """Ask for a relation by its name in the configuration; None where there is none on the search path."""
    found = transaction.rows(sql_file("inspection/relation"), {"relation": name})
    if not found:
        return None
    ((full, where, kind, inherited, readable, partly, writable),) = found
    return Relation(full, where, kind, inherited, readable, partly, tuple(writable))


def schema(name: str) -> str:
    """Return the schema in a relation's name as configured, as it stands in a statement; empty where there is none."""
    *_, before, _ = ["", *_IDENTIFIER.findall(name)]
    return str(before)


@dataclass(frozen=True)
class Writer:
    """Whose privileges let us write a relation: our own role's, everyone's, or those of a role we are in.

    `through` are our own memberships that lead to the last. All names stand in a statement as they are.
    """

    name: str
    owns: bool
    through: tuple[str, ...]
    privileges: tuple[str, ...]


def writers(transaction: Transaction, name: str) -> list[Writer]:
    """Ask where the privileges to change a relation come from."""
    rows = transaction.rows(sql_file("inspection/writers"), {"relation": name})
    return [Writer(whose, owns, tuple(through), tuple(privileges)) for whose, owns, through, privileges in rows]


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


def is_immutable(transaction: Transaction, mapping: Mapped, expression: str) -> bool:
    """Tell whether an expression depends on the row alone, so that an index can be made of it; nothing is read or written.

    The planner sees that it cannot be both NULL and not NULL, if it may take its value to be the same twice.

    Raises:
        SourceError: it cannot be a condition, as what makes several rows of one.
    """
    escaped, source = expression.replace("%", "%%"), mapping.relation.replace("%", "%%")
    query = sql_file("inspection/contradiction").format(expression=escaped, relation=source)
    with transaction.savepoint():
        _set(transaction, "constraint_exclusion", "on")
        found = plan(transaction, Query(query, {}))
        _set(transaction, "constraint_exclusion", "partition")
    return bool(found.get("One-Time Filter") == "false")


def stored_rows(transaction: Transaction, mapping: Mapped) -> int:
    """Return how many rows a relation has, as the planner believes, whatever expressions make of them."""
    query = sql_file("inspection/stored").format(relation=mapping.relation.replace("%", "%%"))
    return int(plan(transaction, Query(query, {}))["Plan Rows"])


def is_led_to(transaction: Transaction, query: Query) -> bool:
    """Ask how a query would be carried out; tell whether an index leads to all rows it needs.

    As tables may be small yet, reading them whole is made the last resort.

    Raises:
        SourceError: the database refuses the query.
    """
    with transaction.savepoint():
        _set(transaction, "enable_seqscan", "off")
        found = plan(transaction, query)
        _set(transaction, "enable_seqscan", "on")
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


def _set(transaction: Transaction, name: str, value: str) -> None:
    """Set what the planner may do, for this transaction."""
    transaction.rows(sql_file("inspection/setting"), {"name": name, "value": value})


def _only(transaction: Transaction, name: str, parameters: Mapping[str, object]) -> tuple[Any, ...]:
    (row,) = transaction.rows(sql_file(f"inspection/{name}"), parameters)
    return row


def _names(transaction: Transaction, name: str, relation: str) -> list[str]:
    return [found for (found,) in transaction.rows(sql_file(f"inspection/{name}"), {"relation": relation})]
