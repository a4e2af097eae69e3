"""Who keeps a label of its own in what is published, where not all can: an exporter decides that once a day."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Self

from exporter import assembly
from exporter.labels import COMBINATIONS, RESERVED, Admission, clean
from exporter.parts import Key as Combination
from exporter.reconcile.samples import Samples, lasting, values_of
from exporter.views import allocation, efficiency, health, providers

_VALUES = ("provider", "model", "layer")
_COMBINED = (providers.MODEL_SPEND, providers.QUEST_SPEND, efficiency.COST)
"""For each of the combinations a metric that has all of them."""


@dataclass(frozen=True)
class Kept:
    """The ids of quests, the values of other labels and the combinations that are published; empty where nothing is folded."""

    quest_ids: frozenset[str] = frozenset()
    values: tuple[frozenset[str], ...] = ()
    combinations: tuple[frozenset[Combination], ...] = ()

    @classmethod
    def of(cls, samples: Samples) -> Self:
        """Return who keeps a label in published samples."""
        figures = lasting(samples)
        if not any(value for (name, _), value in figures.items() if name == health.FOLDED.name):
            return cls()
        labels = [dict(labels) for _, labels in figures]
        return cls(
            frozenset(dict(info)["quest_id"] for info in values_of(samples, allocation.INFO)) - {""},
            tuple(frozenset(_values(labels, label)) for label in _VALUES),
            tuple(
                frozenset(tuple(dict(labels)[name] for name in names) for labels in values_of(figures, metric))
                for names, metric in zip(COMBINATIONS, _COMBINED, strict=True)
            ),
        )

    def prefer(self, admission: Admission, parts: assembly.Parts) -> None:
        """Let the same labels in before all others."""
        known = (quest for quest in assembly.quest_ids(parts) if clean(quest) in self.quest_ids)
        admission.admit("quest", dict.fromkeys(known, ()))
        for label, values in zip(_VALUES, self.values, strict=False):
            admission.admit(label, dict.fromkeys(values, ()))
        for names, combinations in zip(COMBINATIONS, self.combinations, strict=False):
            admission.admit_combinations(names, dict.fromkeys(combinations, ()))


def _values(labels: Iterable[Mapping[str, str]], label: str) -> set[str]:
    return {each[label] for each in labels if label in each} - set(RESERVED)
