"""Where a backfill goes: one file, a folder with a file for each day, standard output, or over HTTP."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO, Protocol

from exporter.backfill.formats import OpenMetrics, RemoteWrite
from exporter.backfill.recorder import Section
from exporter.backfill.sending import Receiver
from exporter.errors import ExporterError

_BATCH_BYTES = 1 << 20


class OutputError(ExporterError):
    """The output cannot be written, or is there already."""


class Output(Protocol):
    """Takes section after section; `position` is how many bytes it has taken."""

    @property
    def position(self) -> int:
        """Return how many bytes were written, before an interruption too."""

    def write(self, section: Section) -> None:
        """Write a section so that it stays."""

    def close(self) -> None:
        """End what is whole."""


class File:
    """One file of all sections. It ends with `# EOF` only when it is whole."""

    def __init__(self, path: Path, openmetrics: OpenMetrics, position: int | None) -> None:
        """Begin, or go on at a position: what is after it was left by an interruption.

        Raises:
            OutputError: the file cannot be written, is there and not to be gone on with, or is shorter than it was.
        """
        self._path = path
        self._format = openmetrics
        self.position = position or 0
        with _explained(path):
            size = path.stat().st_size if path.exists() else 0
            if position is None and size:
                raise OutputError(f"{path} exists: remove it, or choose another name")
            if size < self.position:
                raise OutputError(
                    f"{path} has {size:,} bytes of the {self.position:,} that were written before the interruption: put it"
                    " back as it was, or remove it and its state file to begin anew"
                )
            self._file = path.open("ab")
            self._file.truncate(self.position)

    def write(self, section: Section) -> None:
        """Write a section so that it stays."""
        with _explained(self._path):
            self.position += _write(self._file, self._format.pieces(section))
            os.fsync(self._file.fileno())

    def close(self) -> None:
        """End the file."""
        with _explained(self._path):
            self._file.write(OpenMetrics.END)
            self._file.close()


class Folder:
    """A file for each section, `2026-04-10.om`: mostly a day's."""

    def __init__(self, path: Path, openmetrics: OpenMetrics, position: int | None) -> None:
        """Begin, or go on at a position, in bytes of all files: those that are done may be elsewhere by now.

        Raises:
            OutputError: the folder cannot be made, or holds files of another backfill.
        """
        self._path = path
        self._format = openmetrics
        self.position = position or 0
        with _explained(path):
            path.mkdir(parents=True, exist_ok=True)
            there = min(path.glob("*.om"), default=None)
        if position is None and there is not None:
            raise OutputError(
                f"{path} holds another backfill already, {there.name}: remove its *.om, or choose another folder"
            )

    def write(self, section: Section) -> None:
        """Write a section so that it stays."""
        began = datetime.fromtimestamp(section.instants[0], UTC)
        name = (
            f"{began:%Y-%m-%d}.om" if began.hour == began.minute == began.second == 0 else f"{began:%Y-%m-%dT%H%M%S}.om"
        )
        beside = self._path / f"{name}.new"
        with _explained(beside), beside.open("wb") as file:
            _write(file, self._format.pieces(section))
            file.write(OpenMetrics.END)
            file.flush()
            os.fsync(file.fileno())
            self.position += file.tell()
            beside.replace(self._path / name)

    def close(self) -> None:
        """Do nothing: every file is whole."""


class StandardOutput:
    """One stream of all sections."""

    def __init__(self, openmetrics: OpenMetrics, stream: BinaryIO | None = None) -> None:
        self._format = openmetrics
        self._stream = stream or sys.stdout.buffer
        self.position = 0

    def write(self, section: Section) -> None:
        """Write a section."""
        with _explained(Path("-")):
            self.position += _write(self._stream, self._format.pieces(section))

    def close(self) -> None:
        """End the stream."""
        with _explained(Path("-")):
            self._stream.write(OpenMetrics.END)
            self._stream.flush()


class Remote:
    """A receiver of requests, each of about a megabyte."""

    def __init__(self, receiver: Receiver, remote_write: RemoteWrite, position: int) -> None:
        self._receiver = receiver
        self._format = remote_write
        self.position = position

    def write(self, section: Section) -> None:
        """Send a section.

        Raises:
            RequestError: it was not taken.
        """
        for batch in _batches(self._format.pieces(section)):
            body = RemoteWrite.request(batch)
            self._receiver.send(body)
            self.position += len(body)

    def close(self) -> None:
        """Do nothing: every request was whole."""


def _batches(pieces: Iterator[bytes]) -> Iterator[Sequence[bytes]]:
    batch: list[bytes] = []
    size = 0
    for piece in pieces:
        batch.append(piece)
        size += len(piece)
        if size >= _BATCH_BYTES:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


def _write(file: BinaryIO, pieces: Iterator[bytes]) -> int:
    written = 0
    for piece in pieces:
        written += file.write(piece)
    file.flush()
    return written


@contextmanager
def _explained(path: Path) -> Iterator[None]:
    """Turn the system's errors into one that says which file it was."""
    try:
        yield
    except OSError as error:
        raise OutputError(f"{path} cannot be written: {error.strerror}") from None
