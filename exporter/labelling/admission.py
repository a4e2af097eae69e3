"""Admission: which values keep a label of their own, so that the number of series is bounded."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping
from decimal import Decimal
from typing import TypeVar

from exporter.labelling.labels import COMBINATIONS, Folds, fold_combination
from exporter.names.text import bytewise
from exporter.sums import Key

Weight = tuple[Decimal, ...]
V = TypeVar("V", bound=Hashable)


class Admission:
    """Admits values and combinations up to their limits, the heaviest first.

    It is given all values that exist now with their weights. A value that was admitted keeps its label; new ones get one
    while there is room. To decide afresh, begin with a new admission.
    """

    def __init__(self, limits: Mapping[str, int]) -> None:
        """`limits` maps `quest`, `model`, `provider`, `layer` and `combinations` to the number that may stay."""
        self._limits = limits
        self._kept: dict[str, set[object]] = {label: set() for label in limits if label != "combinations"}
        self._kept.update({",".join(labels): set() for labels in COMBINATIONS})
        self.folded: dict[str, int] = dict.fromkeys(self._kept, 0)

    def admit(self, label: str, weights: Mapping[str, Weight]) -> None:
        """Admit the values of a label, the heaviest first, up to its limit. Quests are given by id."""
        self._admit(label, weights, self._limits[label])

    def admit_combinations(self, labels: tuple[str, ...], weights: Mapping[Key, Weight]) -> None:
        """Admit combinations of labels, the heaviest first, up to their limit; the results of folding need no place."""
        own = {values: weight for values, weight in weights.items() if values != fold_combination(labels, values)}
        self._admit(",".join(labels), own, self._limits["combinations"])

    def _admit(self, label: str, weights: Mapping[V, Weight], limit: int) -> None:
        kept = self._kept[label]
        newcomers = [value for value in weights if value not in kept]
        room = max(0, limit - len(kept))
        if room and len(newcomers) > room:
            newcomers.sort(key=lambda value: ([weight.copy_negate() for weight in weights[value]], _sort_key(value)))
        kept.update(newcomers[:room])
        self.folded[label] = sum(1 for value in weights if value not in kept)

    def is_touched_by(self, limits: Mapping[str, int]) -> bool:
        """Tell whether other limits would fold a value or combination that is admitted."""
        combinations = limits["combinations"]
        return any(len(kept) > limits.get(label, combinations) for label, kept in self._kept.items())

    def folds(self) -> Folds:
        """Return the decision as it stands."""
        return Folds({label: frozenset(kept) for label, kept in self._kept.items()})


def _sort_key(value: object) -> tuple[bytes, ...]:
    values: Iterable[object] = value if isinstance(value, tuple) else (value,)
    return tuple(bytewise(str(item)) for item in values)
