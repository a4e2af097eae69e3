"""The driver's errors in the program's terms."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from datetime import timedelta

import psycopg

from exporter.errors import FailureKind, SourceError

_MAX_MESSAGE = 500
_STALE_STATEMENTS = {"26000", "42P05", "0A000"}
"""SQLSTATE of an unknown prepared statement, of one that exists already, and of one whose result has changed its type."""
_TIMEOUTS = {"57014", "55P03"}
"""SQLSTATE of a statement that was cancelled and of a lock that was not available."""
_NO_SUCH_VALUE = (
    "a column is text that does not always hold such a value; map it with an expression that is NULL where it does not, "
    "and such rows are left out and counted"
)
_HINTS = {"22P02": _NO_SUCH_VALUE, "22007": _NO_SUCH_VALUE, "22008": _NO_SUCH_VALUE}
"""What to do, by SQLSTATE, where the database does not know it."""


@contextlib.contextmanager
def translated(
    source: str | None = None, interrupted: threading.Event | None = None, timeout: timedelta | None = None
) -> Iterator[None]:
    """Turn the driver's errors into `SourceError`, with the database's message and the name of the source."""
    try:
        yield
    except psycopg.Error as error:
        found = source_error(error)
    except SourceError as error:
        if source is None:
            raise
        found = error
    else:
        return
    message = str(found)
    cut_off = interrupted is not None and interrupted.is_set() and timeout is not None
    if cut_off and timeout is not None:
        message = f"no answer within {timeout.total_seconds():g} s, or interrupted ({message})"
    raise SourceError(
        f"source {source}: {message}" if source else message,
        sqlstate=found.sqlstate,
        owner="" if cut_off else found.owner,
        kind="timeout" if cut_off else found.kind,
    ) from None


def source_error(error: psycopg.Error, owner: str = "") -> SourceError:
    """Return a driver's error in the program's terms."""
    kind = _kind(error)
    return SourceError(_message(error), sqlstate=error.sqlstate, owner="" if kind == "connection" else owner, kind=kind)


def _kind(error: psycopg.Error) -> FailureKind:
    state = error.sqlstate
    if state in _TIMEOUTS:
        return "timeout"
    if state in _STALE_STATEMENTS:
        return "statement"
    has_ended = state is None and isinstance(error, psycopg.OperationalError)
    return "connection" if has_ended or (state or "")[:2] in ("08", "57") else "query"


def _message(error: psycopg.Error) -> str:
    diagnostic = error.diag
    said = diagnostic.message_primary or " ".join(str(error).split()) or type(error).__name__
    # It may quote a value, and that be of any length.
    parts = [said if len(said) <= _MAX_MESSAGE else f"{said[:_MAX_MESSAGE]}..."]
    hint = _HINTS.get(diagnostic.sqlstate or "", diagnostic.message_hint)
    if hint:
        parts.append(f"hint: {hint}")
    if diagnostic.sqlstate:
        parts.append(f"SQLSTATE {diagnostic.sqlstate}")
    return "; ".join(parts)
