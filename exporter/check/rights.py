"""A role that may write a ledger: where it has that right from, and the statements that take it away."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from exporter.check.findings import Finding, warning
from exporter.databases.transaction import Transaction
from exporter.errors import SourceError
from exporter.ledgers import inspection
from exporter.ledgers.inspection import Relation, Server, Writer

_EVERYONE = "PUBLIC"
_REMEDY = "use a role that may only read: docs/role.sql makes one"
_OF_OWNER = "the owner of a relation may always write it: connect as another role, one that docs/role.sql makes"
_OF_EVERYONE = "; what is taken from PUBLIC is taken from everyone"


def may_write(transaction: Transaction, found: Relation, who: Server, key: str) -> Finding:
    """Tell that a role may write a relation."""
    writers = _writers(transaction, found)
    how = "; ".join(map(_origin, writers)) or ", ".join(found.writable)
    owns = any(writer.owns and _is_own(writer) for writer in writers)
    remedy = _REMEDY + _OF_EVERYONE if any(writer.name == _EVERYONE for writer in writers) else _REMEDY
    return warning(
        f"the role {who.role} may also write {found.name} ({how}): the exporter never does",
        key,
        _OF_OWNER if owns else remedy,
        [] if owns else list(dict.fromkeys(_taken_away(writers, found, who))),
    )


def _writers(transaction: Transaction, found: Relation) -> Sequence[Writer]:
    """Ask where the right comes from; not every server can tell."""
    try:
        with transaction.savepoint():
            return inspection.writers(transaction, found.name)
    except SourceError:
        return []


def _is_own(writer: Writer) -> bool:
    return not writer.through and writer.name != _EVERYONE


def _origin(writer: Writer) -> str:
    privileges = ", ".join(writer.privileges)
    if writer.through:
        others = "" if writer.through == (writer.name,) else f" through {' and '.join(writer.through)}"
        return f"{privileges} as a member of {writer.name}{others}"
    if writer.name == _EVERYONE:
        return f"{privileges} as everyone may"
    return f"{privileges} as its owner" if writer.owns else privileges


def _taken_away(writers: Sequence[Writer], found: Relation, who: Server) -> Iterator[str]:
    """Yield what takes the right away and leaves that to read, which may have come by the same membership."""
    for writer in writers:
        if not writer.through:
            whom = _EVERYONE if writer.name == _EVERYONE else who.quoted_role
            yield f"REVOKE {', '.join(writer.privileges)} ON {found.name} FROM {whom};"
    memberships = dict.fromkeys(role for writer in writers for role in writer.through)
    if memberships:
        yield f"GRANT USAGE ON SCHEMA {found.schema} TO {who.quoted_role};"
        yield f"GRANT SELECT ON {found.name} TO {who.quoted_role};"
    yield from (f"REVOKE {role} FROM {who.quoted_role};" for role in memberships)
