"""What the counters say after each refresh, from the charges each refresh saw."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from fractions import Fraction
from typing import TypeAlias

from tests.oracle.labels import OTHER
from tests.oracle.values import Samples, key

Origin: TypeAlias = tuple[str, str | None, str | None]
"""Where charges come from: provider family, model as booked and quest id."""
LabelSet: TypeAlias = tuple[str, str, str]
"""Provider, model and quest as published."""
Totals: TypeAlias = tuple[Fraction, ...]
"""Dollars, input tokens, output tokens and number of the non-negative charges."""

NOTHING: Totals = (Fraction(0),) * 4


@dataclass(frozen=True)
class Counted:
    """The non-negative charges of one origin up to now.

    `own` are its labels, `folded` what the limits of single labels make of them now. `recent`: it has a charge, be it a
    refund, in the last 30 days; `weight` are the dollars of these.
    """

    origin: Origin
    own: LabelSet
    folded: LabelSet
    recent: bool
    weight: Decimal
    totals: Totals


class Counters:
    """The counters of one process: they begin at 0, take growth and never a fall.

    Which of its labels an origin loses to the limits is decided when it is first published and never again; the labels it
    keeps are those of the moment.
    """

    def __init__(self, places: int) -> None:
        """`places`: how many label sets there may be beside the folded ones."""
        self._places = places
        self._placed: set[LabelSet] = set()
        self.refused: set[LabelSet] = set()
        self._lost: dict[Origin, tuple[bool, ...]] = {}
        self._before: dict[Origin, Totals] | None = None
        self._values: dict[LabelSet, Totals] = {}
        self._owed: dict[LabelSet, Totals] = {}
        self._seen: dict[Origin, Counted] = {}

    def observe(self, charges: Collection[Counted]) -> None:
        """Take in what a refresh read of the whole cost ledger."""
        now = {counted.origin: counted.totals for counted in charges}
        before = now if self._before is None else self._before
        self._before = now
        gone = [replace(self._seen[origin], recent=False, weight=Decimal(0)) for origin in before.keys() - now.keys()]
        self._seen |= {counted.origin: counted for counted in (*charges, *gone)}
        changes = {
            origin: tuple(
                new - old for new, old in zip(now.get(origin, NOTHING), before.get(origin, NOTHING), strict=True)
            )
            for origin in now.keys() | before.keys()
        }
        for labels, growth in self._owed.items():
            self._values[labels] = _sum(self._values[labels], growth)
        self._owed = {}
        appearing = [counted for counted in (*charges, *gone) if counted.recent or max(changes[counted.origin]) > 0]
        published = {self._label_set(counted) for counted in _heaviest_first(appearing)}
        self._add(self._netted(changes), published)

    def _label_set(self, counted: Counted) -> LabelSet:
        """What an origin counts for; what it loses to the limits is decided here, the first time."""
        labels = zip(counted.own, counted.folded, strict=True)
        lost = self._lost.setdefault(counted.origin, tuple(own != folded for own, folded in labels))
        label_set = _without(counted.own, lost)
        if label_set in self._placed or label_set[1:] == (OTHER, OTHER):
            return label_set
        if len(self._placed) < self._places:
            self._placed.add(label_set)
            return label_set
        self.refused.add(label_set)
        self._lost[counted.origin] = (lost[0], True, True)
        return _without(counted.own, self._lost[counted.origin])

    def _netted(self, changes: Mapping[Origin, Totals]) -> dict[LabelSet, Totals]:
        """What each label set changed by, over all origins that count for it now."""
        net: dict[LabelSet, Totals] = {}
        for origin, change in changes.items():
            if origin in self._lost:
                labels = _without(self._seen[origin].own, self._lost[origin])
                net[labels] = _sum(net.get(labels, NOTHING), change)
        return net

    def _add(self, net: Mapping[LabelSet, Totals], published: Iterable[LabelSet]) -> None:
        """Let the counters grow; one that appears is 0 first, and its growth comes with the next refresh."""
        appeared = set(published) - self._values.keys()
        self._values |= dict.fromkeys(appeared, NOTHING)
        for labels, change in net.items():
            growth = tuple(max(Fraction(0), each) for each in change)
            if labels in appeared:
                self._owed[labels] = growth
            elif labels in self._values:
                self._values[labels] = _sum(self._values[labels], growth)

    def samples(self, *, tokens_out: bool) -> Samples:
        """The samples of the three counters; `tokens_out`: whether the ledger knows output tokens."""
        found: Samples = {}
        for (provider, model, quest), (usd, tokens_in, output, charges) in self._values.items():
            labels = {"provider": provider, "model": model, "quest": quest}
            found[key("ledger_spend_usd_total", labels)] = usd
            found[key("ledger_charges_total", labels)] = charges
            found[key("ledger_tokens_total", labels | {"token_type": "input"})] = tokens_in
            if tokens_out:
                found[key("ledger_tokens_total", labels | {"token_type": "output"})] = output
        return found


def _heaviest_first(charges: Iterable[Counted]) -> list[Counted]:
    """Who finds a place before whom: label sets with recent charges first, then by the dollars of all their origins."""
    charges = list(charges)
    weights: dict[LabelSet, Fraction] = {}
    recent = {counted.folded for counted in charges if counted.recent}
    for counted in charges:
        weights[counted.folded] = weights.get(counted.folded, Fraction(0)) + Fraction(counted.weight)
    return sorted(
        charges,
        key=lambda counted: (
            counted.folded not in recent,
            -weights[counted.folded],
            tuple(label.encode() for label in counted.folded),
        ),
    )


def _without(own: LabelSet, lost: tuple[bool, ...]) -> LabelSet:
    provider, model, quest = (OTHER if gone else label for label, gone in zip(own, lost, strict=True))
    return provider, model, quest


def _sum(one: Totals, other: Totals) -> Totals:
    return tuple(a + b for a, b in zip(one, other, strict=True))
