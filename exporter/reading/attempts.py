"""The one ladder of errors: whatever goes wrong in asking a database becomes a problem in words, and a log line."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from exporter.errors import FailureKind, SourceError, Stopped
from exporter.logs import Troubles
from exporter.reading.ledger_reader import LedgerReader

log = logging.getLogger(__name__)

T = TypeVar("T")


@dataclass(frozen=True)
class Problem:
    """Why an attempt failed; one that is not foreseen is a bug.

    `owner` is the ledger whose query failed, empty where that is not known; `kind` tells what failed.
    """

    words: str
    foreseen: bool = True
    owner: str = ""
    kind: FailureKind = "query"


class Attempts:
    """Attempts to ask one source. An error is returned; repeated ones are logged at growing intervals."""

    def __init__(self, source: str) -> None:
        self._source = source
        self._troubles = Troubles()

    def run(self, message: str, readers: Sequence[LedgerReader], work: Callable[[], T], **fields: str) -> T | Problem:
        """Return what some work returns, or why it failed. After a bug the readers begin anew.

        Raises:
            Stopped: the program ends.
        """
        try:
            return work()
        except Stopped:
            raise
        except SourceError as error:
            return Problem(str(error), owner=error.owner, kind=error.kind)
        except Exception as error:
            if self._troubles.recur(message, *fields.values()):
                log.exception(message, extra={**fields, "source": self._source})
            for reader in readers:
                reader.forget()
            return Problem(f"source {self._source}: unexpected {type(error).__name__}", foreseen=False)

    def log(self, level: int, message: str, problem: Problem, **fields: str) -> None:
        """Log a problem that was foreseen, at growing intervals."""
        if problem.foreseen and self._troubles.recur(message, *fields.values()):
            log.log(level, message, extra={**fields, "source": self._source, "error": problem.words})

    def succeed(self, message: str, **fields: str) -> None:
        """Note that something succeeded that may have failed before with this message."""
        self._troubles.end(message, *fields.values())
