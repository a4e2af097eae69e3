"""What a check finds: good, notable, doubtful or wrong; where in the configuration, and what to do about it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any


class Severity(StrEnum):
    """How bad a finding is. A warning is for the operator to judge; with an error something cannot work."""

    OK = "ok"
    NOTE = "note"
    WARNING = "warning"
    ERROR = "error"


@dataclass(frozen=True)
class Finding:
    """One finding. `key` is the place in the configuration, `remedy` what to do, `statements` the SQL that does it."""

    severity: Severity
    message: str
    key: str = ""
    remedy: str = ""
    statements: Sequence[str] = ()


def ok(message: str) -> Finding:
    """Return that something is as it should be."""
    return Finding(Severity.OK, message)


def note(message: str, key: str = "", remedy: str = "", statements: Sequence[str] = ()) -> Finding:
    """Return what is good to know."""
    return Finding(Severity.NOTE, message, key, remedy, statements)


def warning(message: str, key: str, remedy: str, statements: Sequence[str] = ()) -> Finding:
    """Return what may go wrong, and what to do."""
    return Finding(Severity.WARNING, message, key, remedy, statements)


def error(message: str, key: str, remedy: str, statements: Sequence[str] = ()) -> Finding:
    """Return what cannot work, and what to do."""
    return Finding(Severity.ERROR, message, key, remedy, statements)


@dataclass(frozen=True)
class Section:
    """The findings about one thing: the configuration, a source, a ledger in a source, what would be published."""

    title: str
    findings: Sequence[Finding]

    @property
    def failed(self) -> bool:
        """Tell whether there is an error among them."""
        return any(finding.severity is Severity.ERROR for finding in self.findings)


@dataclass(frozen=True)
class Report:
    """All sections, and what was estimated (series by view, labels against their limits, memory), if it was."""

    file: str
    deep: bool
    sections: Sequence[Section]
    estimate: dict[str, Any] = field(default_factory=dict)

    def count(self, severity: Severity) -> int:
        """Return how many findings of a severity there are."""
        return sum(finding.severity is severity for finding in self._findings())

    def exit_code(self, *, strict: bool) -> int:
        """Return 2 where there is an error, 1 where there is a warning and the check is `strict`, else 0."""
        if self.count(Severity.ERROR):
            return 2
        return 1 if strict and self.count(Severity.WARNING) else 0

    def _findings(self) -> Iterator[Finding]:
        for section in self.sections:
            yield from section.findings
