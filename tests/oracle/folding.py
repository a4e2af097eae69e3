"""Who stays under the limits of labels and combinations of labels."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from typing import TypeAlias

Member: TypeAlias = tuple[str, ...]
"""A label (a tuple of one) or a combination of labels."""


@dataclass(frozen=True)
class Weighed:
    """A member with what ranks it: has it rows in 30 days, its weights, the first foremost, and its tie-break."""

    member: Member
    recent: bool
    weights: tuple[Decimal, ...]
    tie: tuple[str, ...]

    @property
    def rank(self) -> tuple[object, ...]:
        """Smaller is kept before larger."""
        return (
            not self.recent,
            tuple(weight.copy_negate() for weight in self.weights),
            tuple(part.encode() for part in self.tie),
        )


@dataclass
class Limit:
    """One limit through the life of a process: whom it keeps is decided at the start and when the day changes."""

    places: int
    kept: set[Member] = field(default_factory=set)
    decided: date | None = None
    folded: frozenset[Member] = frozenset()

    def decide(self, members: Iterable[Weighed], today: date) -> None:
        """Let the members in by rank; within a day those already in stay, and newcomers take the free places."""
        if self.decided != today:
            self.kept = set()
            self.decided = today
        ranked = [weighed.member for weighed in sorted(members, key=lambda weighed: weighed.rank)]
        for member in ranked:
            if member not in self.kept and len(self.kept) < self.places:
                self.kept.add(member)
        self.folded = frozenset(ranked) - self.kept

    def folds(self, member: Member) -> bool:
        """Whether a member is beyond the limit."""
        return member in self.folded
