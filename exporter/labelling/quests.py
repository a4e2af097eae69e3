"""The quests that are known, with their labels. A quest that has left the ledgers keeps its label for a while."""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from typing import Protocol

from exporter.config import LEDGERS, LedgerName
from exporter.holding import Parts
from exporter.labelling.naming import booked_names, name_quests, quests_of

_GONE_QUESTS = 10_000
"""Keep the labels of at most this many quests that are in no ledger any more, beside as many as there are in them."""


class CountedQuests(Protocol):
    """The quests that the counters need, though they may be in no ledger any more."""

    @property
    def counted_quests(self) -> AbstractSet[str]:
        """Return the ids of the quests in the cost ledger that was counted last."""

    @property
    def shown_quests(self) -> AbstractSet[str]:
        """Return the labels of the quests that have a counter."""


class Quests:
    """Maps quest ids to labels and labels to quest ids."""

    def __init__(self) -> None:
        self.labels: dict[str, str] = {}
        self.ids: dict[str, str] = {}
        self._seen: dict[LedgerName, set[str]] = {ledger: set() for ledger in LEDGERS}
        self._names: Mapping[str, str | None] = {}

    def learn(self, parts: Parts, counted: CountedQuests) -> None:
        """Name all quests of the parts. Quests of a ledger that is not known now keep their labels."""
        if parts.budget is not None:
            self._names = booked_names(parts.budget)
        self._seen.update({ledger: quests_of(part) for ledger, part in parts.known().items()})
        present = dict.fromkeys(set().union(*self._seen.values()))
        labels = name_quests({**present, **self._names})
        self.labels.update(labels)
        self.ids.update({label: quest for quest, label in labels.items()})
        if len(self.ids) > 2 * len(labels) + _GONE_QUESTS:
            self._forget_others(labels, counted)

    def _forget_others(self, labels: Mapping[str, str], counted: CountedQuests) -> None:
        """Forget quests that are in no ledger any more and that no counter needs."""
        known = labels.keys() | counted.counted_quests
        shown = {*labels.values(), *counted.shown_quests}
        self.labels = {quest: label for quest, label in self.labels.items() if quest in known}
        self.ids = {label: quest for label, quest in self.ids.items() if label in shown}
