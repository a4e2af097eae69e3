"""The counters of spend, tokens and charges: they only ever grow, and only by spending.

A ledger is edited, pruned and restored; a counter must take none of that for spend. So each refresh adds the growth, never
the fall, of the non-negative charges of each label set, netted over all that was read. A label set that appears is 0 for
one refresh first: `increase()` sees no growth before a series' first sample.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace
from decimal import Decimal

from exporter.labelling.labels import Labeller
from exporter.names.text import OTHER
from exporter.sums import WINDOWS, CostPart, Key, Spend

LABELS = ("provider", "model", "quest")
_GONE_KEYS = 10_000
"""So many raw keys that are in the ledger no more are remembered."""
_ALL = WINDOWS.index("all")

Label = Callable[[Key], Key]
"""Gives a raw key its labels."""


@dataclass(frozen=True)
class Proposal:
    """What one refresh makes of the counters: their values, what they owe to the next, and the places given to new keys."""

    values: Mapping[Key, Spend]
    owed: Mapping[Key, Spend]
    places: Places
    gross: Mapping[Key, Spend]
    part: CostPart | None = None
    labeller: Labeller | None = None


class Counters:
    """The state behind `ledger_spend_usd_total` and its companions, for the life of the process.

    Raw keys are (provider family, model as booked, quest id). Which label set a raw key counts for is folded once, when it
    is first published, and never again; only a quest's name may change later. What a refresh makes of them is
    first proposed, so that it is known how many there would be, and then taken.
    """

    def __init__(self, limit: int) -> None:
        """`limit` bounds the label sets that are not folded into `other`."""
        self.limit = limit
        self.values: Mapping[Key, Spend] = {}
        self.folds: dict[Key, tuple[bool, ...]] = {}
        self.own: set[Key] = set()
        self._crowded_out: dict[Key, Key] = {}
        self._owed: Mapping[Key, Spend] = {}
        self._last: Mapping[Key, Spend] | None = None
        self._labeller: Labeller | None = None
        self.counted: CostPart | None = None

    @property
    def folded(self) -> int:
        """Return how many label sets have found no place of their own."""
        return len({*self._crowded_out.values()})

    @property
    def counted_quests(self) -> AbstractSet[str]:
        """Return the ids of the quests in the cost ledger that was counted last."""
        return {quest for *_, quest in self._last or () if quest is not None}

    @property
    def shown_quests(self) -> AbstractSet[str]:
        """Return the labels of the quests that have a counter."""
        return {quest for *_, quest in self.values if quest is not None}

    def rebase(self) -> None:
        """Take what is read next as a new beginning: not as growth, though it may differ from what was read last."""
        self._last = None

    def propose_part(self, part: CostPart, labeller: Labeller) -> Proposal:
        """Propose what a newly read cost ledger makes of them. The heaviest label sets find a place first."""
        gross, recent = gross_charges(part), recent_charges(self, part, labeller)
        before = self._labeller or labeller

        def label(key: Key) -> Key:
            """Return a key's labels as folded today; of one that has vanished as folded when it was last counted."""
            if key in gross:
                return labeller.charge(key)
            folds = tuple(now != its for now, its in zip(before.charge(key), before.own_charge(key), strict=True))
            return _fold(labeller.own_charge(key), folds)

        proposal = self.propose(gross, recent, label, labeller.own_charge)
        return replace(proposal, part=part, labeller=labeller)

    def propose(self, gross: Mapping[Key, Spend], recent: Iterable[Key], label: Label, own: Label) -> Proposal:
        """Propose what a refresh makes of them. `gross` are the non-negative charges of all days up to today by raw key.

        `recent` are the raw keys charged in the last 30 days, the heaviest first. `label` gives a raw key's labels as folded
        today, `own` as if nothing were folded.
        """
        changes = _changes(self._last, gross) if self._last is not None else {}
        places = Places(self, label, own)
        net: dict[Key, Spend] = {places.label_set(key): Spend() for key in recent}
        for key, change in changes.items():
            if places.is_known(key) or change.growth() != Spend():
                label_set = places.label_set(key)
                net[label_set] = net.get(label_set, Spend()) + change
        values, owed = dict(self.values), {}
        for label_set, growth in self._owed.items():
            values[label_set] = values[label_set] + growth
        for label_set, change in net.items():
            if label_set in values:
                values[label_set] = values[label_set] + change.growth()
            else:
                values[label_set], owed[label_set] = Spend(), change.growth()
        return Proposal(values, owed, places, gross)

    def take(self, proposal: Proposal) -> None:
        """Take what was proposed last."""
        self.folds.update(proposal.places.folds)
        self.own |= proposal.places.own
        self._crowded_out.update(proposal.places.crowded_out)
        self._last = proposal.gross
        self._forget_the_gone(proposal.gross)
        self.values, self._owed, self.counted = proposal.values, proposal.owed, proposal.part
        self._labeller = proposal.labeller

    def _forget_the_gone(self, gross: Mapping[Key, Spend]) -> None:
        """Forget the raw keys that are in the ledger no more, once they are very many; one that comes back is a new one."""
        if len(self.folds) > 2 * len(gross) + _GONE_KEYS:
            self.folds = {key: folds for key, folds in self.folds.items() if key in gross}
            self._crowded_out = {key: label_set for key, label_set in self._crowded_out.items() if key in gross}


class Places:
    """Finds the label set each raw key counts for: the places that are given stay, and new ones are noted beside them."""

    def __init__(self, counters: Counters, label: Label, own: Label) -> None:
        self._counters = counters
        self._label = label
        self._own_labels = own
        self.folds: dict[Key, tuple[bool, ...]] = {}
        self.own: set[Key] = set()
        self.crowded_out: dict[Key, Key] = {}

    def is_known(self, key: Key) -> bool:
        """Tell whether a raw key has found its place."""
        return key in self.folds or key in self._counters.folds

    def label_set(self, key: Key) -> Key:
        """Return the label set a raw key counts for; what is folded of it is decided once and for good."""
        own_labels = self._own_labels(key)
        folds = self.folds.get(key) or self._counters.folds.get(key)
        if folds is None:
            folds = tuple(now != its for now, its in zip(self._label(key), own_labels, strict=True))
            self.folds[key] = folds
        label_set = _fold(own_labels, folds)
        if label_set in self._counters.own or label_set in self.own or label_set[1:] == (OTHER, OTHER):
            return label_set
        if len(self._counters.own) + len(self.own) < self._counters.limit:
            self.own.add(label_set)
            return label_set
        self.crowded_out[key] = label_set
        self.folds[key] = (folds[0], True, True)
        return _fold(own_labels, self.folds[key])


def _fold(labels: Key, folds: tuple[bool, ...]) -> Key:
    return tuple(OTHER if folded else label for folded, label in zip(folds, labels, strict=True))


def _changes(last: Mapping[Key, Spend], now: Mapping[Key, Spend]) -> dict[Key, Spend]:
    """Return what changed by raw key; what vanished counts as a fall."""
    nothing = Spend()
    changes = {key: spend - last.get(key, nothing) for key, spend in now.items() if spend != last.get(key)}
    changes.update({key: nothing - spend for key, spend in last.items() if key not in now})
    return changes


def gross_charges(part: CostPart) -> dict[Key, Spend]:
    """Return the non-negative charges of all days up to today by raw key."""
    refunds = part.refunds.sums
    return {
        key: sums[_ALL] - refunds[key][_ALL] if key in refunds else sums[_ALL]
        for key, sums in part.spend.sums.items()
        if sums[_ALL].rows
    }


def recent_charges(counters: Counters, part: CostPart, labeller: Labeller) -> list[Key]:
    """Return the raw keys charged in the last 30 days: of those the counters do not know, the heaviest first."""
    recent = part.spend.recent_keys()
    new = [key for key in recent if key not in counters.folds]
    if not new:
        return recent
    labelled = part.spend.regroup(part.spend.labels, labeller.charge)

    def order(key: Key) -> tuple[Decimal, tuple[bytes, ...]]:
        label_set = labeller.charge(key)
        weight = labelled.window(label_set, "30d").usd.copy_negate()
        return weight, tuple(str(label).encode() for label in label_set)

    return [*sorted(new, key=order), *recent]
