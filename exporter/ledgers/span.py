"""Which rows of a ledger a question is asked of: those of a range of instants, or those that are in none."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_FIRST = (datetime(1, 1, 1, tzinfo=UTC) - _EPOCH) // timedelta(microseconds=1)
_LAST = (datetime(9999, 12, 30, tzinfo=UTC) - _EPOCH) // timedelta(microseconds=1)
_FOUR_CENTURIES = 146_097 * 86_400_000_000
"""After so many microseconds the calendar begins anew."""
_OLDEST = -210_866_803_200_000_000
"""The first instant PostgreSQL knows, 4714-11-24 BC."""


@dataclass(frozen=True)
class Span:
    """The instants from `start` up to `end`, in microseconds since 1970."""

    start: int
    end: int

    @property
    def parameters(self) -> Mapping[str, object]:
        """Return the parameters by the names the SQL uses."""
        return {"start": instant_text(self.start), "end": instant_text(self.end)}


def instant_text(instant: int) -> str:
    """Return an instant as PostgreSQL reads it; what is before all of its instants, or after the year 9999, is infinite."""
    if instant < _OLDEST:
        return "-infinity"
    if instant > _LAST:
        return "infinity"
    cycles = max(0, -((instant - _FIRST) // _FOUR_CENTURIES))
    moment = _EPOCH + timedelta(microseconds=instant + cycles * _FOUR_CENTURIES)
    if not cycles:
        return moment.isoformat()
    return f"{400 * cycles + 1 - moment.year:04}{moment.isoformat()[4:]} BC"


def microseconds(column: str) -> str:
    """Return the expression that arrives as microseconds since 1970 when it is asked for in PostgreSQL's binary format.

    There an instant is microseconds since 2000, at no cost. Later instants than the year 9999 are cut: the sum would overflow.
    """
    return f"least({column}, '9999-12-31Z') + '946684800 seconds'::interval"


def within(column: str) -> str:
    """Return the condition that a row is in a span. Infinite instants never are."""
    kind = "date" if column == "calendar_day" else "timestamptz"
    return f"{column} > '-infinity' and {column} >= %(start)s::{kind} and {column} < %(end)s::{kind}"


def finite(column: str) -> str:
    """Return the condition that a row is in some span."""
    return f"{column} > '-infinity' and {column} < 'infinity'"


def unplaced(column: str) -> str:
    """Return the condition that a row is in none."""
    return f"({column} is null or {column} = '-infinity' or {column} = 'infinity')"
