"""Database time, from the server's own log.

Every exporter logs in as a role of its own, and for those roles the server logs how long it took to parse, bind and execute
each statement (`log_duration`). Their sum is the exporter's database time: measured by the server, the same way for everyone,
with nothing left out. Work of parallel helpers beside the statement's own process is not in it, which favours those who use
them: the peers.

A duration is of one step, not of one statement. Statements are counted where the server logs them as well (`log_statement`).
That costs time of its own, so it is done in a run of its own.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

LOG_LINE_PREFIX = "%n %u "
_DURATION = re.compile(r"(\d+\.\d+) (\S+) LOG:  duration: (\d+\.\d+) ms")
_EXECUTED = re.compile(r"(\d+\.\d+) (\S+) LOG:  (?:statement|execute [^:]+): ")
_TEMPORARY = re.compile(r'(\d+\.\d+) (\S+) LOG:  temporary file: path ".*", size (\d+)')


@dataclass(frozen=True)
class Statement:
    """One line of the server's log about a role, written at `ended`, in seconds since 1970.

    It tells of a step that took `ms`, of `temporary_bytes` that were written, or that a statement began (`is_execution`).
    """

    role: str
    ended: float
    ms: float = 0.0
    temporary_bytes: int = 0
    is_execution: bool = False

    @property
    def began(self) -> float:
        """When it began, in seconds since 1970."""
        return self.ended - self.ms / 1000


@dataclass(frozen=True)
class Work:
    """The statements of one refresh together."""

    began: float
    ended: float
    ms: float
    temporary_bytes: int
    statements: int = 0
    """How many statements were executed, `begin` and `commit` included; 0 where the server does not log them."""

    @property
    def span_seconds(self) -> float:
        """From the beginning of the first statement to the end of the last."""
        return self.ended - self.began


def parse(lines: Iterable[str]) -> list[Statement]:
    """Read the lines of a server's log that are about durations, temporary files and statements."""
    statements = []
    for line in lines:
        if found := _DURATION.match(line):
            statements.append(Statement(found[2], float(found[1]), ms=float(found[3])))
        elif found := _TEMPORARY.match(line):
            statements.append(Statement(found[2], float(found[1]), temporary_bytes=int(found[3])))
        elif found := _EXECUTED.match(line):
            statements.append(Statement(found[2], float(found[1]), is_execution=True))
    return statements


def total(statements: Sequence[Statement]) -> Work:
    """Add up statements; there must be one at least."""
    return Work(
        began=min(statement.began for statement in statements),
        ended=max(statement.ended for statement in statements),
        ms=sum(statement.ms for statement in statements),
        temporary_bytes=sum(statement.temporary_bytes for statement in statements),
        statements=sum(statement.is_execution for statement in statements),
    )


def by_rests(statements: Sequence[Statement], rest_seconds: float) -> list[Work]:
    """Divide statements into refreshes where the role was silent for longer than `rest_seconds`."""
    groups: list[list[Statement]] = []
    busy_until = float("-inf")
    for statement in sorted(statements, key=lambda statement: statement.ended):
        if not groups or statement.began - busy_until > rest_seconds:
            groups.append([])
        groups[-1].append(statement)
        busy_until = max(busy_until, statement.ended)
    return [total(group) for group in groups]


def by_marks(statements: Sequence[Statement], marks: Sequence[float]) -> list[Work]:
    """Divide statements into refreshes by the instants at which each ended; what is outside the marks is left out.

    What an exporter does after a mark counts for the next refresh, so nothing is lost.
    """
    groups = []
    for begin, end in pairwise(marks):
        group = [statement for statement in statements if begin < statement.ended <= end]
        groups.append(total(group) if group else Work(end, end, 0.0, 0))
    return groups


class ServerLog:
    """The growing log of a server. A server that is started again writes another file."""

    def __init__(self, path: Path) -> None:
        self._paths = [path]

    def continue_in(self, path: Path) -> None:
        """Go on with another file; nothing is written to the one before any more."""
        self._paths.append(path)

    def position(self) -> int:
        """Return where the log ends now."""
        return sum(path.stat().st_size for path in self._paths)

    def since(self, position: int, role: str) -> list[Statement]:
        """Return what the server did for a role since a position."""
        lines: list[str] = []
        for path in self._paths:
            size = path.stat().st_size
            if position < size:
                with path.open("rb") as log:
                    log.seek(position)
                    lines += log.read().decode("utf-8", "replace").splitlines()
            position = max(0, position - size)
        return [statement for statement in parse(lines) if statement.role == role]
