"""When Python looks for garbage: between passes, so that it never stops the world for long while somebody scrapes."""

from __future__ import annotations

import gc
import sys

_SWITCH_SECONDS = 0.0005
"""How long a pass may keep the interpreter from a scrape that came; Python's own 5 ms are what a scrape then takes."""
_NEVER = 1 << 30


class Garbage:
    """Lets young objects be collected as ever, and keeps those that outlive a pass out of it.

    A collection of everything takes tens of milliseconds with ten million charges known, one of all that a pass has made up to
    six. Reference counts free nearly all there is; what is in cycles is found while it is young, or once a day among all.
    """

    def __init__(self) -> None:
        """Change how often the threads take turns, and how far a collection goes that Python begins itself."""
        sys.setswitchinterval(_SWITCH_SECONDS)
        young, middle, _ = gc.get_threshold()
        gc.set_threshold(young, middle, _NEVER)
        self._day: int | None = None

    def collect(self, day: int) -> None:
        """Collect what is young, and keep the rest for the day; on a new day, collect everything."""
        if day == self._day:
            gc.collect(1)
        else:
            gc.unfreeze()
            gc.collect()
            self._day = day
        gc.freeze()
