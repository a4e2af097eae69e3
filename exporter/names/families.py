"""Provider families: many spellings of a provider are published as one name."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Protocol

from exporter.names.text import OTHER, UNKNOWN, clean

_MAX_KNOWN_PROVIDERS = 10_000


class Pattern(Protocol):
    """A regular expression, and the family of the providers in which it is found."""

    @property
    def pattern(self) -> str:
        """Return the regular expression."""

    @property
    def family(self) -> str:
        """Return the name of the family."""


class Families:
    """Maps providers as booked to their families: the first pattern found decides."""

    def __init__(self, patterns: Sequence[Pattern]) -> None:
        self._patterns = [(re.compile(entry.pattern, re.IGNORECASE), clean(entry.family)) for entry in patterns]
        self._known: dict[str | None, str] = {None: UNKNOWN}

    def of(self, provider: str | None) -> str:
        """Return a provider's family, `other` where no pattern is found in it, `unknown` for None."""
        family = self._known.get(provider)
        if family is None:
            found = (family for pattern, family in self._patterns if pattern.search(provider or ""))
            family = next(found, OTHER)
            if len(self._known) < _MAX_KNOWN_PROVIDERS:
                self._known[provider] = family
        return family
