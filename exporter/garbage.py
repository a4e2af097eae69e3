"""When Python looks for garbage: between passes, so that it never stops the world while somebody scrapes."""

from __future__ import annotations

import gc
import sys

_SWITCH_SECONDS = 0.0005
"""How long a pass may keep the interpreter from a scrape that came; Python's own 5 ms are what a scrape then takes."""


class Garbage:
    """Collects after each pass what that pass left, and keeps what stays out of it.

    A collection of everything takes tens of milliseconds with ten million charges known. Reference counts free nearly all
    there is; what is in cycles is found among the objects made since the pass before, or once a day among all.
    """

    def __init__(self) -> None:
        """Change how often the threads take turns."""
        sys.setswitchinterval(_SWITCH_SECONDS)
        self._day: int | None = None

    def collect(self, day: int) -> None:
        """Collect what was made since the last time; on a new day, everything."""
        if day != self._day:
            gc.unfreeze()
            self._day = day
        gc.collect()
        gc.freeze()
