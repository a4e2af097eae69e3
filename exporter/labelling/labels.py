"""The labels decided for one refresh: how everything in the parts is called, and what is folded into `other`."""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass

from exporter.names.text import OTHER, RESERVED, UNKNOWN, clean, clean_or_unknown
from exporter.sums import Key, S, Table

OPEN_LABELS = ("quest", "model", "provider", "layer")
"""The labels whose values come from the ledgers, and are limited in number."""

COMBINATIONS = (
    ("provider", "model"),
    ("quest", "provider"),
    ("quest", "layer"),
)
"""The sets of open labels that stand together on a gauge, each limited as a whole."""

_FOLDED_IN_COMBINATIONS = ("quest", "model")


@dataclass(frozen=True)
class Folds:
    """The values that keep a label of their own, by label (quests by id) and by combination; all others are `other`."""

    kept: Mapping[str, AbstractSet[object]]

    @classmethod
    def none(cls) -> Folds:
        """Return the folding under which no value keeps a label: of nothing that is known."""
        return cls({label: frozenset() for label in (*OPEN_LABELS, *map(",".join, COMBINATIONS))})

    def value(self, label: str, value: str) -> str:
        """Return a value's label: itself, or `other`."""
        return value if value in RESERVED or value in self.kept[label] else OTHER

    def keeps_quest(self, quest: str) -> bool:
        """Tell whether a quest, given by id, has a label of its own."""
        return quest in self.kept["quest"]

    def combination(self, labels: tuple[str, ...], values: Key) -> Key:
        """Return a combination's labels: itself, or with its quest and model folded into `other`."""
        return values if values in self.kept[",".join(labels)] else fold_combination(labels, values)

    def combine(self, table: Table[S], *labels: str) -> Table[S]:
        """Return a table's marginal over some labels with the combinations of the open ones among them folded."""
        open_labels = {label for label in labels if label in OPEN_LABELS}
        bound = next(combination for combination in COMBINATIONS if set(combination) == open_labels)
        return table.by(*labels).regroup(labels, _Combined(self, bound, tuple(labels.index(label) for label in bound)))

    def folds_labels_like(self, other: Folds) -> bool:
        """Tell whether both keep the same values of every single label."""
        return all(self.kept[label] == other.kept[label] for label in OPEN_LABELS)


@dataclass(frozen=True)
class _Combined:
    """Folds the combinations in keys; equal where it does the same."""

    folds: Folds
    bound: tuple[str, ...]
    columns: tuple[int, ...]

    def __call__(self, key: Key) -> Key:
        folded = self.folds.combination(self.bound, tuple([key[column] for column in self.columns]))
        changed = list(key)
        for column, value in zip(self.columns, folded, strict=True):
            changed[column] = value
        return tuple(changed)

    def __hash__(self) -> int:
        return hash((self.bound, self.columns))


def fold_combination(labels: tuple[str, ...], values: Key) -> Key:
    """Return what a combination beyond its limit becomes: its quest and its model are folded."""
    return tuple(
        OTHER if label in _FOLDED_IN_COMBINATIONS else value for label, value in zip(labels, values, strict=True)
    )


class Labeller:
    """Gives everything in the parts its published label, under a naming of quests and a folding."""

    def __init__(self, quest_labels: Mapping[str, str], folds: Folds) -> None:
        self._quest_labels = quest_labels
        self._folds = folds

    def is_like(self, other: Labeller) -> bool:
        """Tell whether both label everything the same."""
        return self._folds.folds_labels_like(other._folds) and self._quest_labels == other._quest_labels

    def own_quest(self, quest: str | None) -> str:
        """Return a quest's own label, folded or not."""
        return UNKNOWN if quest is None else self._quest_labels[quest]

    def quest(self, quest: str | None) -> str:
        """Return a quest's published label."""
        return self.own_quest(quest) if quest is None or self._folds.keeps_quest(quest) else OTHER

    def model(self, model: str | None) -> str:
        """Return a model's published label."""
        return self._folds.value("model", clean_or_unknown(model))

    def provider(self, provider: str | None) -> str:
        """Return a provider family's published label."""
        return self._folds.value("provider", provider or UNKNOWN)

    def layer(self, layer: str | None) -> str:
        """Return a layer's published label."""
        return self._folds.value("layer", clean_or_unknown(layer))

    def charge(self, key: Key) -> Key:
        """Return the published labels of a (provider, model, quest id)."""
        provider, model, quest = key
        return self.provider(provider), self.model(model), self.quest(quest)

    def outcome(self, key: Key) -> Key:
        """Return the published labels of a (quest id, layer[, reason])."""
        quest, layer, *reason = key
        return self.quest(quest), self.layer(layer), *reason

    def allocation(self, key: Key) -> Key:
        """Return the published label of a (quest id,)."""
        return (self.quest(key[0]),)

    def task(self, key: tuple[str, str | None]) -> tuple[str, str]:
        """Return the published labels of a (task, quest id)."""
        task, quest = key
        return clean(task), self.quest(quest)

    def own_charge(self, key: Key) -> Key:
        """Return the labels of a (provider, model, quest id) as if nothing were folded."""
        provider, model, quest = key
        return provider, clean_or_unknown(model), self.own_quest(quest)


@dataclass(frozen=True)
class Labels:
    """What was decided about labels for one refresh.

    `labeller` is the same object as long as it labels everything the same, as tables remember what was derived by it.
    `quest_ids` maps quest labels to ids; `folded` is the number of values folded, by label and combination. `series` is how
    many series there are under these labels.
    """

    labeller: Labeller
    folds: Folds
    quest_ids: Mapping[str, str]
    folded: Mapping[str, int]
    series: int = 0
