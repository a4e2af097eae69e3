"""A source: does it answer, is it a server that is supported, and can it be trusted to show all there is?"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from datetime import timedelta

from exporter.check.findings import Finding, error, note, ok, warning
from exporter.config import Config
from exporter.databases.transaction import Transaction
from exporter.errors import SourceError
from exporter.ledgers import inspection
from exporter.ledgers.inspection import Lag, Server

OLDEST, NEWEST = 13, 18
"""The major versions of PostgreSQL that the exporter is tested with."""
_DETAILS = re.compile(r",? \(|,? on ")
"""Behind which a server tells what it was built from, and on."""
_KEEPS_UP = "the replica keeps up with its primary"
_NO_AUTHORITY = "root certificate file"
"""What libpq says where it is to verify the server and does not find by which authority."""
_AUTHORITY = (
    "sslrootcert=FILE, with the certificate of the authority that vouches for the server; or sslrootcert=system, for those the"
    " system trusts (libpq 16 and newer)"
)
SKEW_SECONDS = 2.0
"""How far the clocks may be apart: at 00:00 UTC the exporter's clock decides which day it is."""


def check(
    transaction: Transaction, found: Server, config: Config, source: str, now: Callable[[], float]
) -> Iterator[Finding]:
    """Find what there is to say of a server; `now` is the exporter's clock, in Unix seconds."""
    key = f"sources.{source}"
    yield judge_version(found, key)
    if found.superuser:
        yield warning(
            f"the role {found.role} is a superuser: whoever takes over the exporter owns the database",
            key,
            "connect as a role that may only read the ledgers: docs/role.sql makes one",
        )
    yield _asked(transaction, key, lambda: _clock(transaction, key, now))
    yield _asked(transaction, key, lambda: _protection(transaction, key))
    if found.replica:
        interval = config.refresh.interval
        yield _asked(transaction, key, lambda: judge_lag(inspection.lag(transaction), key, interval))


def _asked(transaction: Transaction, key: str, question: Callable[[], Finding]) -> Finding:
    """Return the answer to a question, or that the server does not know it: not everything here is PostgreSQL."""
    try:
        with transaction.savepoint():
            return question()
    except SourceError as problem:
        return note(f"cannot be asked of this server: {problem}", key)


def unreachable(problem: SourceError, key: str) -> Finding:
    """Tell that a source cannot be asked at all, and what to do."""
    if _NO_AUTHORITY in str(problem):
        return error(str(problem), key, f"add to the connection string {_AUTHORITY}")
    return error(str(problem), key, "see that host, port, database, role and password are right: docs/postgresql.md")


def judge_version(server: Server, key: str) -> Finding:
    """Judge whether a server is one the exporter is made for."""
    product = _DETAILS.split(server.product)[0]
    said = f"{product}, as role {server.role}{', a replica' if server.replica else ''}"
    if server.major < OLDEST:
        return error(
            f"{said}: PostgreSQL {server.major} is too old",
            key,
            f"the exporter needs PostgreSQL {OLDEST} to {NEWEST}, or what speaks as it does",
        )
    if server.major > NEWEST:
        return warning(
            f"{said}: newer than the exporter is tested with",
            key,
            f"it will probably work; PostgreSQL {OLDEST} to {NEWEST} is tested",
        )
    return ok(said)


def _clock(transaction: Transaction, key: str, now: Callable[[], float]) -> Finding:
    before = now()
    theirs = inspection.clock(transaction)
    after = now()
    return judge_clock(theirs - (before + after) / 2, (after - before) / 2, key)


def judge_clock(ahead: float, uncertainty: float, key: str) -> Finding:
    """Judge by how many seconds the server's clock is ahead of ours, give or take what the question itself took."""
    if abs(ahead) - uncertainty <= SKEW_SECONDS:
        return ok(f"its clock agrees with ours, within {max(abs(ahead), uncertainty):.1f} s")
    direction = "ahead of" if ahead > 0 else "behind"
    return warning(
        f"its clock is {abs(ahead):.1f} s {direction} ours: charges around 00:00 UTC show on another day for that long",
        key,
        "synchronise the clocks of both machines (NTP)",
    )


def _protection(transaction: Transaction, key: str) -> Finding:
    if inspection.unprotected(transaction):
        return note(
            "the connection crosses a network without TLS",
            key,
            f"add sslmode=verify-full to the connection string, and {_AUTHORITY}",
        )
    return ok("the connection is encrypted, or does not leave the machine")


def judge_lag(lag: Lag, key: str, interval: timedelta) -> Finding:
    """Judge how far a replica is behind; up to one refresh interval nobody can tell.

    One that replays an archive receives nothing and may keep up all the same: what it has replayed comes first.
    """
    if lag.seconds is not None and lag.seconds <= interval.total_seconds():
        return ok(_KEEPS_UP)
    if not lag.receiving:
        age = "" if lag.seconds is None else f"; its newest transaction is {lag.seconds:.0f} s old"
        return warning(
            f"the replica receives nothing from its primary{age}: figures stand still and look alive",
            key,
            "repair its replication (pg_stat_wal_receiver; restore_command where it replays an archive), or read the primary",
        )
    if lag.seconds is None or lag.replayed_all:
        return ok(_KEEPS_UP)
    return warning(
        f"the replica is {lag.seconds:.0f} s behind its primary, and so are all figures",
        key,
        "find what holds up its replay (long queries, slow disks), or read the primary",
    )
