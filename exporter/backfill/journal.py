"""How far a backfill is, on disk: an interrupted one goes on where it stopped."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from exporter.errors import ExporterError
from exporter.ledgers.history import Steps


class JournalError(ExporterError):
    """The journal is not of this backfill, or cannot be read or written."""


@dataclass(frozen=True)
class Done:
    """The steps of a backfill, the number of those that are done, and where its output then ended, in bytes."""

    steps: Steps
    number: int
    position: int


class Journal:
    """The file; `task` says which backfill it is of."""

    def __init__(self, path: Path, task: Mapping[str, object]) -> None:
        self._path = path
        self._task = dict(task)

    def read(self) -> Done | None:
        """Return how far this backfill got before, None if it has not begun.

        Raises:
            JournalError: the file is of another backfill, or cannot be read.
        """
        try:
            found = json.loads(self._path.read_bytes())
            if found["task"] == self._task:
                return Done(Steps(**found["steps"]), found["number"], found["position"])
        except FileNotFoundError:
            return None
        except (OSError, ValueError, LookupError, TypeError):
            raise JournalError(
                f"{self._path} cannot be read as the state of a backfill: remove it to begin anew"
            ) from None
        raise JournalError(
            f"{self._path} is the state of a backfill with other options or another configuration: give it the same again,"
            " or remove the file and what that backfill has written"
        )

    def note(self, done: Done) -> None:
        """Note how far it is.

        Raises:
            JournalError: the file cannot be written.
        """
        beside = self._path.with_name(self._path.name + ".new")
        try:
            beside.write_text(json.dumps({"task": self._task, **asdict(done)}))
            beside.replace(self._path)
        except OSError as error:
            raise JournalError(f"{self._path} cannot be written: {error.strerror}") from None

    def remove(self) -> None:
        """Forget it: it is over."""
        self._path.unlink(missing_ok=True)
