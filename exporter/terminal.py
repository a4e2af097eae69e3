"""What is written for people at a terminal: colours where they can be seen, and what is being done."""

from __future__ import annotations

import os
import sys
from typing import TextIO

import click

_ERASE = "\r\033[K"


def in_colour(stream: TextIO) -> bool:
    """Tell whether a stream is a terminal that is to be coloured; NO_COLOR, set to anything, says no."""
    return stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


class StatusLine:
    """One line on stderr that says what is being done; nothing where nobody looks on."""

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = sys.stderr if stream is None else stream
        self._is_watched = self._stream.isatty()
        self._stands = False

    def say(self, text: str) -> None:
        """Show what is being done now, in place of what was shown before."""
        if self._is_watched:
            click.echo(f"{_ERASE}{text}", file=self._stream, nl=False, color=True)
            self._stands = True

    def end(self) -> None:
        """Take the line away."""
        if self._stands:
            self.say("")
            self._stands = False
