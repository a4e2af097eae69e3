"""How far a backfill is, on disk: an interrupted one goes on where it stopped."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from exporter.backfill.period import Steps
from exporter.backfill.recorder import Section
from exporter.errors import ExporterError


class JournalError(ExporterError):
    """The journal is not of this backfill, or cannot be read or written."""


@dataclass(frozen=True)
class Done:
    """What is done of the steps of a backfill: their number, and where the output then ended, in bytes.

    `samples` is how many were written, `series` of how many at once.
    """

    steps: Steps
    number: int = 0
    position: int = 0
    samples: int = 0
    series: int = 0

    def after(self, section: Section, position: int) -> Done:
        """Return what is done when the next section is written."""
        series, samples = section.size()
        number = self.number + len(section.instants)
        return Done(self.steps, number, position, self.samples + samples, max(self.series, series))


class Journal:
    """The file; `task` says which backfill it is of, and stands in it as a hash: it may name who must stay unnamed."""

    def __init__(self, path: Path, task: Mapping[str, object]) -> None:
        self._path = path
        self._task = hashlib.sha256(json.dumps(task, sort_keys=True).encode()).hexdigest()

    def read(self) -> Done | None:
        """Return how far this backfill got before, None if it has not begun.

        Raises:
            JournalError: the file is of another backfill, or cannot be read.
        """
        try:
            found = json.loads(self._path.read_bytes())
            if found.pop("task") == self._task:
                return Done(**{**found, "steps": Steps(**found["steps"])})
        except FileNotFoundError:
            return None
        except (OSError, ValueError, LookupError, TypeError, AttributeError):
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
        with self._explained():
            beside.touch(mode=0o600)
            beside.write_text(json.dumps({"task": self._task, **asdict(done)}))
            beside.replace(self._path)

    def remove(self) -> None:
        """Forget it: it is over.

        Raises:
            JournalError: the file cannot be removed.
        """
        with self._explained():
            self._path.unlink(missing_ok=True)

    @contextmanager
    def _explained(self) -> Iterator[None]:
        """Turn the system's errors into one that says what to do."""
        try:
            yield
        except OSError as error:
            raise JournalError(
                f"{self._path} cannot be written: {error.strerror}; say with --state.file where to note how far it is"
            ) from None
