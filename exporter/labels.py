"""Label values: cleaned, named, and folded into `other` beyond their limits.

Cleaning keeps an exposition well formed whatever a ledger holds. Naming gives each quest id one unambiguous label. Folding
bounds cardinality: who keeps a label of its own is decided afresh only when asked to, so that series do not come and go.
"""

from __future__ import annotations

import hashlib
import unicodedata
from collections import defaultdict
from collections.abc import Hashable, Iterable, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from decimal import Decimal
from typing import TypeVar

from exporter.parts import Key, S, Table

OTHER = "other"
UNKNOWN = "unknown"
RESERVED = (OTHER, UNKNOWN)

MAX_LENGTH = 120
MAX_TITLE_LENGTH = 80
_MAX_SUFFIX_ID = 40

COMBINATIONS = (
    ("provider", "model"),
    ("quest", "provider"),
    ("quest", "layer"),
)
"""The sets of open labels that stand together on a gauge, each bounded as a whole."""

_FOLDED_IN_COMBINATIONS = ("quest", "model")

Weight = tuple[Decimal, ...]
V = TypeVar("V", bound=Hashable)


def clean(text: str, length: int = MAX_LENGTH) -> str:
    """Return a text as a label value: no control characters, quotes or backslashes, at most `length` characters."""
    if not (text.isascii() and text.isprintable()):
        text = "".join(" " if unicodedata.category(character) == "Cc" else character for character in text)
    return text.replace('"', "'").replace("\\", "/")[:length]


def clean_title(text: str | None) -> str:
    """Return a title as a label value, empty where there is none."""
    return clean(text or "", MAX_TITLE_LENGTH)


def clean_or_unknown(text: str | None) -> str:
    """Return a model's or layer's label, `unknown` where there is none."""
    return clean(text) if text else UNKNOWN


def _bytewise(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")


def name_quests(names: Mapping[str, str | None]) -> dict[str, str]:
    """Return a unique label for each quest id, given the name of each (None: it has none).

    Where several share a name the smallest id keeps it, the others become `name (id)`, as does a quest called `other` or
    `unknown`.
    """
    by_base: dict[str, list[str]] = defaultdict(list)
    for quest, name in names.items():
        by_base[clean(name or quest)].append(quest)
    labels: dict[str, str] = {}
    taken: set[str] = set(RESERVED)
    crowded: list[tuple[str, str]] = []
    for base, quests in by_base.items():
        keeper = min(quests, key=_bytewise) if base not in RESERVED else None
        if keeper is not None:
            labels[keeper] = base
            taken.add(base)
        crowded += [(base, quest) for quest in quests if quest != keeper]
    for base, quest in sorted(crowded, key=lambda pair: _bytewise(pair[1])):
        label = _suffixed(base, clean(quest) if len(quest) <= _MAX_SUFFIX_ID else _digest(quest))
        if label in taken:
            label = _suffixed(base, _digest(quest))
        labels[quest] = label
        taken.add(label)
    return labels


def _digest(text: str) -> str:
    return hashlib.sha256(_bytewise(text)).hexdigest()[:8]


def _suffixed(base: str, suffix: str) -> str:
    ending = f" ({suffix})"
    return base[: MAX_LENGTH - len(ending)] + ending


@dataclass(frozen=True)
class Folds:
    """Who keeps a label of its own, by label (quests by id) and by combination; everybody else is `other`."""

    kept: Mapping[str, AbstractSet[object]]

    def value(self, label: str, value: str) -> str:
        """Return a value's label: itself, or `other`."""
        return value if value in RESERVED or value in self.kept[label] else OTHER

    def keeps_quest(self, quest: str) -> bool:
        """Tell whether a quest, given by id, has a label of its own."""
        return quest in self.kept["quest"]

    def combination(self, labels: tuple[str, ...], values: Key) -> Key:
        """Return a combination's labels: itself, or with its quest and model folded into `other`."""
        return values if values in self.kept[",".join(labels)] else _fold(labels, values)

    def combine(self, table: Table[S], *labels: str) -> Table[S]:
        """Return a table's marginal over some labels with the combinations of the open ones among them folded."""
        open_labels = {label for label in labels if label in _OPEN_LABELS}
        bound = next(combination for combination in COMBINATIONS if set(combination) == open_labels)
        return table.by(*labels).regroup(labels, _Combined(self, bound, tuple(labels.index(label) for label in bound)))


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


class Admission:
    """Decides who keeps a label of its own.

    It is told all values that exist now with their weights (larger stays). Nobody it let in loses a label; newcomers get one
    while there is room. To decide afresh, begin with a new one.
    """

    def __init__(self, limits: Mapping[str, int]) -> None:
        """`limits` maps `quest`, `model`, `provider`, `layer` and `combinations` to the number that may stay."""
        self._limits = limits
        self._kept: dict[str, set[object]] = {label: set() for label in limits if label != "combinations"}
        self._kept.update({",".join(labels): set() for labels in COMBINATIONS})
        self.folded: dict[str, int] = dict.fromkeys(self._kept, 0)

    def admit(self, label: str, weights: Mapping[str, Weight]) -> None:
        """Let the values of a label in, the heaviest first, up to its limit. Quests are given by id."""
        self._admit(label, weights, self._limits[label])

    def admit_combinations(self, labels: tuple[str, ...], weights: Mapping[Key, Weight]) -> None:
        """Let combinations of labels in, the heaviest first, up to their limit; what folding makes needs no place."""
        own = {values: weight for values, weight in weights.items() if values != _fold(labels, values)}
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
        """Tell whether other limits would take a label or combination from somebody."""
        combinations = limits["combinations"]
        return any(len(kept) > limits.get(label, combinations) for label, kept in self._kept.items())

    def folds(self) -> Folds:
        """Return the decision as it stands."""
        return Folds({label: frozenset(kept) for label, kept in self._kept.items()})


def _fold(labels: tuple[str, ...], values: Key) -> Key:
    return tuple(
        OTHER if label in _FOLDED_IN_COMBINATIONS else value for label, value in zip(labels, values, strict=True)
    )


_OPEN_LABELS = {label for combination in COMBINATIONS for label in combination}


def _sort_key(value: object) -> tuple[bytes, ...]:
    values: Iterable[object] = value if isinstance(value, tuple) else (value,)
    return tuple(_bytewise(str(item)) for item in values)
