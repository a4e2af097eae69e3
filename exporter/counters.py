"""The counters of spend, tokens and charges: they only ever grow, and only by spending.

A ledger is edited, pruned and restored; a counter must take none of that for spend. So each refresh adds the growth, never
the fall, of the non-negative charges of each label set, netted over all that was read. A label set that appears is 0 for
one refresh first: `increase()` sees no growth before a series' first sample.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from exporter.labels import OTHER
from exporter.parts import Key, Spend

LABELS = ("provider", "model", "quest")
_GONE_KEYS = 10_000
"""So many raw keys that are in the ledger no more are remembered."""


class Counters:
    """The state behind `ledger_spend_usd_total` and its companions, for the life of the process.

    Raw keys are (provider family, model as booked, quest id). Which label set a raw key counts for is folded once, when it
    is first published, and never again; only a quest's name may change later.
    """

    def __init__(self, limit: int) -> None:
        """`limit` bounds the label sets that are not folded into `other`."""
        self.limit = limit
        self._last: Mapping[Key, Spend] | None = None
        self._folds: dict[Key, tuple[bool, ...]] = {}
        self._own: set[Key] = set()
        self._crowded_out: dict[Key, Key] = {}
        self._values: dict[Key, Spend] = {}
        self._owed: dict[Key, Spend] = {}

    @property
    def folded(self) -> int:
        """Return how many label sets have found no place of their own."""
        return len({*self._crowded_out.values()})

    def knows(self, key: Key) -> bool:
        """Tell whether a raw key has found its place."""
        return key in self._folds

    def rebase(self) -> None:
        """Take what is read next as a new beginning: not as growth, though it may differ from what was read last."""
        self._last = None

    def update(
        self, gross: Mapping[Key, Spend], recent: Iterable[Key], label: Callable[[Key], Key], own: Callable[[Key], Key]
    ) -> dict[Key, Spend]:
        """Take in the non-negative charges of all days up to today by raw key; return the counters by label set.

        `recent` are the raw keys charged in the last 30 days, the heaviest first. `label` gives a raw key's labels as folded
        today, `own` as if nothing were folded.
        """
        changes = _changes(self._last, gross) if self._last is not None else {}
        values = self.grow(changes, recent, label, own)
        self._last = gross
        self._forget_the_gone(gross)
        return values

    def grow(
        self,
        changes: Mapping[Key, Spend],
        recent: Iterable[Key],
        label: Callable[[Key], Key],
        own: Callable[[Key], Key],
    ) -> dict[Key, Spend]:
        """Take in by how much the non-negative charges have changed by raw key; return the counters by label set.

        The rest is as for `update`, but that of `recent` only those must be given that have no label set yet.
        """
        net: dict[Key, Spend] = {self._label_set(key, label, own): Spend() for key in recent}
        for key, change in changes.items():
            if key in self._folds or change.growth() != Spend():
                label_set = self._label_set(key, label, own)
                net[label_set] = net.get(label_set, Spend()) + change
        values, owed = dict(self._values), {}
        for label_set, growth in self._owed.items():
            values[label_set] = values[label_set] + growth
        for label_set, change in net.items():
            if label_set in values:
                values[label_set] = values[label_set] + change.growth()
            else:
                values[label_set], owed[label_set] = Spend(), change.growth()
        self._values, self._owed = (
            values,
            owed,
        )  # at once: nothing counts twice where there is no memory left for all of it
        return dict(values)

    def _forget_the_gone(self, gross: Mapping[Key, Spend]) -> None:
        """Forget the raw keys that are in the ledger no more, once they are very many; one that comes back is a new one."""
        if len(self._folds) > 2 * len(gross) + _GONE_KEYS:
            self._folds = {key: folds for key, folds in self._folds.items() if key in gross}
            self._crowded_out = {key: label_set for key, label_set in self._crowded_out.items() if key in gross}

    def _label_set(self, key: Key, label: Callable[[Key], Key], own: Callable[[Key], Key]) -> Key:
        """Return the label set a raw key counts for; what is folded of it is decided once and for good."""
        own_labels = own(key)
        if key not in self._folds:
            folded_labels = label(key)
            self._folds[key] = tuple(now != its for now, its in zip(folded_labels, own_labels, strict=True))
        label_set = _fold(own_labels, self._folds[key])
        if label_set not in self._own and label_set[1:] != (OTHER, OTHER):
            if len(self._own) >= self.limit:
                self._crowded_out[key] = label_set
                self._folds[key] = (self._folds[key][0], True, True)
                return _fold(own_labels, self._folds[key])
            self._own.add(label_set)
        return label_set


def _fold(labels: Key, folds: tuple[bool, ...]) -> Key:
    return tuple(OTHER if folded else label for folded, label in zip(folds, labels, strict=True))


def _changes(last: Mapping[Key, Spend], now: Mapping[Key, Spend]) -> dict[Key, Spend]:
    """Return what changed by raw key; what vanished counts as a fall."""
    nothing = Spend()
    changes = {key: spend - last.get(key, nothing) for key, spend in now.items() if spend != last.get(key)}
    changes.update({key: nothing - spend for key, spend in last.items() if key not in now})
    return changes
