"""Who keeps a label of its own in what is published, where not all can: an exporter decides that once a day."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Self

from exporter.labelling.admission import Admission, Weight
from exporter.labelling.labels import COMBINATIONS
from exporter.names.text import RESERVED, clean
from exporter.reconcile.figures import Samples, lasting, values_of
from exporter.sums import Key as Combination
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

    def admission(self, limits: Mapping[str, int]) -> Admission:
        """Begin an admission in which these labels come before all others."""
        return _Preferring(limits, self)


class _Preferring(Admission):
    """An admission that has let in the labels of an exporter, whatever they weigh."""

    def __init__(self, limits: Mapping[str, int], kept: Kept) -> None:
        super().__init__(limits)
        self._quest_ids = kept.quest_ids
        for label, values in zip(_VALUES, kept.values, strict=False):
            super().admit(label, dict.fromkeys(values, ()))
        for names, combinations in zip(COMBINATIONS, kept.combinations, strict=False):
            super().admit_combinations(names, dict.fromkeys(combinations, ()))

    def admit(self, label: str, weights: Mapping[str, Weight]) -> None:
        """Admit the values of a label; of quests those first whose ids, as published, are the exporter's."""
        if label == "quest":
            super().admit(label, {quest: weights[quest] for quest in weights if clean(quest) in self._quest_ids})
        super().admit(label, weights)


def _values(labels: Iterable[Mapping[str, str]], label: str) -> set[str]:
    return {each[label] for each in labels if label in each} - set(RESERVED)
