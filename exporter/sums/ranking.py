"""Outcomes that may be ranked, and the order of the rankings."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from functools import cached_property
from heapq import nsmallest


@dataclass(frozen=True)
class TaskOutcome:
    """One outcome that may be ranked: by impact per dollar, or, where it has a `reason` to be waste, by tokens.

    `label` is what the task is published as; `instant` is in microseconds since 1970; `impact` is None while unscored.
    """

    task: str
    label: str
    title: str | None
    quest: str | None
    layer: str | None
    impact: Decimal | None
    usd: Decimal
    tokens: int
    instant: int
    reason: str = ""

    @cached_property
    def impact_per_usd(self) -> Fraction:
        """The exact ratio; the outcome must be scored and its cost above 0."""
        if self.impact is None:
            raise ValueError("an unscored outcome has no impact per dollar")
        return Fraction(self.impact) / Fraction(self.usd)

    @cached_property
    def rank(self) -> tuple[float | Fraction | bytes | int | Decimal, ...]:
        """What it is sorted by, the first best: ties go to the smaller task, then the newer, costlier outcome."""
        first: Fraction | int = -self.tokens if self.reason else -self.impact_per_usd
        try:
            rough = float(first)  # decides nearly always, and costs less to compare than what is exact
        except OverflowError:
            rough = float("-inf")
        return (
            rough,
            first,
            self.task.encode(),
            -self.instant,
            self.usd.copy_negate(),
            0 if self.reason else self.tokens,
        )


def ranked(outcomes: Iterable[TaskOutcome], top: int) -> tuple[TaskOutcome, ...]:
    """Return the first outcomes by rank; a task (by its label) appears once, with its first."""
    first: dict[str, TaskOutcome] = {}
    for outcome in outcomes:
        known = first.get(outcome.label)
        if known is None or outcome.rank < known.rank:
            first[outcome.label] = outcome
    return tuple(nsmallest(top, first.values(), key=lambda outcome: outcome.rank))
