"""Published figures beside those of the oracle: equal, moving, or different."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Self

from exporter.publishing.samples import Key
from exporter.reconcile import exact
from exporter.reconcile.figures import VIEW_OF

Value = object
"""A float, or a sum that has not become one yet; None where there is no such sample."""


class Verdict(StrEnum):
    """What a figure turned out to be."""

    EQUAL = "equal"
    MOVING = "moving"
    DIFFERENT = "different"


@dataclass(frozen=True)
class Compared:
    """One figure: what is published of it, what the oracle says, and the verdict."""

    key: Key
    published: Value
    oracle: Value
    verdict: Verdict

    @property
    def view(self) -> str:
        """Return the view the figure is of."""
        return VIEW_OF.get(self.key[0], exact.VIEW)


@dataclass(frozen=True)
class Comparison:
    """All figures that one place publishes, beside the oracle's.

    `notes` say what else there is to know of it. It is incomplete where the place could not be read a second time.
    """

    of: str
    figures: Mapping[Key, Compared] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    incomplete: bool = False

    @classmethod
    def between(
        cls,
        of: str,
        before: Mapping[Key, Value],
        after: Mapping[Key, Value],
        oracle: Mapping[Key, Value],
        notes: tuple[str, ...] = (),
    ) -> Self:
        """Compare what was published before and after the oracle read with what the oracle says."""
        keys = before.keys() | after.keys() | oracle.keys()
        return cls(of, {key: _judge(key, before.get(key), after.get(key), oracle.get(key)) for key in keys}, notes)

    def of_verdict(self, verdict: Verdict) -> list[Compared]:
        """Return the figures with a verdict, in the order of their names and labels."""
        found = (compared for compared in self.figures.values() if compared.verdict is verdict)
        return sorted(found, key=lambda compared: (compared.key[0], sorted(compared.key[1])))

    def by_view(self) -> dict[str, Counter[Verdict]]:
        """Return how many figures of each view have each verdict, in the order of the views."""
        counts: dict[str, Counter[Verdict]] = {}
        for compared in self.figures.values():
            counts.setdefault(compared.view, Counter())[compared.verdict] += 1
        return {view: counts[view] for view in dict.fromkeys((*VIEW_OF.values(), exact.VIEW)) if view in counts}


def _judge(key: Key, before: Value, after: Value, oracle: Value) -> Compared:
    """Judge a figure: one that is never what the oracle says, but has changed meanwhile, is moving."""
    if _same(before, oracle) or _same(after, oracle):
        return Compared(key, oracle, oracle, Verdict.EQUAL)
    verdict = Verdict.DIFFERENT if _same(before, after) else Verdict.MOVING
    return Compared(key, after, oracle, verdict)


def _same(one: Value, other: Value) -> bool:
    """Tell whether two values are the same to the last bit; what is not published is the same as not published."""
    if isinstance(one, float) and isinstance(other, float) and math.isnan(one):
        return math.isnan(other)
    return one == other


def total(comparisons: Iterable[Comparison]) -> Counter[Verdict]:
    """Return how many figures of all comparisons have each verdict."""
    return Counter(compared.verdict for each in comparisons for compared in each.figures.values())


def lost(comparisons: Iterable[Comparison]) -> int:
    """Return how many comparisons are incomplete."""
    return sum(each.incomplete for each in comparisons)
