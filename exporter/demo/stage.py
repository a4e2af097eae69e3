"""Where the demo plays: a temporary folder and the programs that run in it, all gone when it is over, however it ends.

Programs get a session of their own, so that a Ctrl-C in the terminal reaches the demo alone, which ends them in order. Should
the demo itself be killed, the `guard`, a process that waits for nothing else, ends them and removes the folder.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from exporter.demo import guard
from exporter.errors import ExporterError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import TracebackType

STOP_SECONDS = 10
SOCKET_PATH_MAX = 80  # the system allows about 100 bytes for a socket's path; file names need some


class ProgramError(ExporterError):
    """A program of the demo did not start or ended too early; the message holds the end of its log."""


@dataclass(frozen=True)
class Program:
    """A running program. `farewell` is the signal that ends it cleanly."""

    name: str
    process: subprocess.Popen[bytes]
    log: Path
    farewell: signal.Signals

    @property
    def ended(self) -> bool:
        """Whether it runs no more."""
        return self.process.poll() is not None

    def last_words(self) -> str:
        """The last lines of its log."""
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-12:])

    def stop(self) -> None:
        """End it, gently first, and return when it has ended."""
        for farewell in (self.farewell, signal.SIGTERM, signal.SIGKILL):
            if self.ended:
                return
            self.process.send_signal(farewell)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(STOP_SECONDS)


class Stage:
    """A context: entered, it has a `folder` that only its owner may list; left, everything started on it has ended."""

    def __enter__(self) -> Self:
        self.folder = _make_folder()
        self.programs: list[Program] = []
        self._guard = subprocess.Popen(  # noqa: S603
            [sys.executable, "-I", guard.__file__, self.folder], stdin=subprocess.PIPE, start_new_session=True
        )
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for program in reversed(self.programs):
            program.stop()
        shutil.rmtree(self.folder, ignore_errors=True)
        self._tell_guard(guard.DISMISSED)
        self._guard.communicate()

    def start(
        self,
        name: str,
        command: Sequence[str | Path],
        *,
        farewell: signal.Signals = signal.SIGTERM,
        **options: Any,  # noqa: ANN401  what Popen takes
    ) -> Program:
        """Start a program that logs to `name`.log in the folder. `options` go to `subprocess.Popen`."""
        log = self.folder / f"{name}.log"
        with log.open("wb") as output:
            process = subprocess.Popen(  # noqa: S603
                command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True, **options
            )
        program = Program(name, process, log, farewell)
        self.programs.append(program)
        self._tell_guard(f"{process.pid} {int(farewell)}")
        return program

    def _tell_guard(self, line: str) -> None:
        assert self._guard.stdin is not None  # noqa: S101  for the type checker: it is a pipe
        with contextlib.suppress(BrokenPipeError):
            self._guard.stdin.write(f"{line}\n".encode())
            self._guard.stdin.flush()


def _make_folder() -> Path:
    """A new folder of which others may at most pass through to what is theirs, short enough for sockets.

    It is in /tmp where the usual place for temporary files is root's alone: root runs PostgreSQL as somebody else.
    """
    folder = Path(tempfile.mkdtemp(prefix="ledger-exporter-demo-")).resolve()
    is_closed = os.geteuid() == 0 and not all(each.stat().st_mode & stat.S_IXOTH for each in folder.parents)
    if is_closed or len(os.fsencode(folder)) > SOCKET_PATH_MAX:
        folder.rmdir()
        folder = Path(tempfile.mkdtemp(prefix="ledger-exporter-demo-", dir="/tmp")).resolve()
    folder.chmod(0o711)
    return folder
