"""How far long work is, on stderr: a line redrawn on a terminal, elsewhere a line now and then."""

from __future__ import annotations

import sys
from time import monotonic
from typing import TextIO

import click

from exporter.terminal import StatusLine

_BAR_WIDTH = 30
_TENTH = 0.1


class Progress:
    """Shows one piece of work; `what` begins its line."""

    def __init__(self, what: str, stream: TextIO | None = None) -> None:
        self._what = what
        self._stream = sys.stderr if stream is None else stream
        self._line = StatusLine(self._stream)
        self._began = monotonic()
        self._told = 0.0

    def show(self, done: float, note: str = "") -> None:
        """Show the share that is done, 0 to 1, and something about it."""
        seconds = monotonic() - self._began
        note = f" {note}" if note else ""
        left = f", {_span(seconds / done * (1 - done))} left" if 0 < done < 1 else ""
        bar = ("#" * round(done * _BAR_WIDTH)).ljust(_BAR_WIDTH, ".")
        self._line.say(f"{self._what} [{bar}] {done:4.0%}{note}{left}")
        if not self._stream.isatty() and done - self._told >= _TENTH:
            self._told = done
            click.echo(f"{self._what}: {done:.0%}{note}{left}", self._stream)

    def end(self, text: str = "") -> None:
        """Take the line away; say something instead of it."""
        self._line.end()
        if text:
            click.echo(text, self._stream)


def _span(seconds: float) -> str:
    """Return a duration as people say it."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
