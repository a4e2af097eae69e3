"""The errors this program raises on purpose; a message says where, what and what to do."""

from typing import Literal

FailureKind = Literal["connection", "timeout", "statement", "query"]


class ExporterError(Exception):
    """Any error meant for the operator: its message is complete, and a traceback would add nothing."""


class ConfigError(ExporterError):
    """The configuration cannot be used. `problems` holds every reason, a line each."""

    def __init__(self, problems: list[str]) -> None:
        self.problems = problems
        super().__init__("\n".join(problems))


class SourceError(ExporterError):
    """A database could not be reached or asked; the message carries no secret.

    `sqlstate` is the database's code for it, None where the database said nothing. `owner` is the ledger whose query failed,
    empty where that is not known.
    """

    def __init__(
        self, message: str, *, sqlstate: str | None = None, owner: str = "", kind: FailureKind = "query"
    ) -> None:
        """`kind` tells what failed: the connection, a query by its time limit, a prepared statement, or any other query."""
        self.sqlstate = sqlstate
        self.owner = owner
        self.kind: FailureKind = kind
        super().__init__(message)


class Stopped(ExporterError):  # noqa: N818 - not a fault
    """A database was asked while the program ends; nothing is wrong with it."""


class FamilyError(ExporterError):
    """A view built a sample that would break the exposition: wrong label count, None, or a duplicate."""


class RequestError(ExporterError):
    """Another server could not be asked over HTTP, or did not answer as it should; the message carries no secret.

    `status` is that of its answer, None where there was none; `may_pass` tells whether the same may succeed later.
    """

    def __init__(self, message: str, status: int | None = None, *, may_pass: bool = False) -> None:
        self.status = status
        self.may_pass = may_pass
        super().__init__(message)
