"""What was derived of something that never changes, so that it is derived once."""

from __future__ import annotations

from collections.abc import Hashable
from typing import TypeVar

V = TypeVar("V")

_MOST = 16
"""More than one refresh derives of anything."""


class Remembered(dict[Hashable, V]):
    """The latest few derivations, by how each was made.

    Labels change, with every new quest, and what was derived by the ones of before is never asked for again.
    """

    def __setitem__(self, how: Hashable, derived: V) -> None:
        """Remember a derivation, and forget the oldest one if they are too many."""
        super().__setitem__(how, derived)
        if len(self) > _MOST:
            del self[next(iter(self))]
