"""What the labels are called: cleaning, provider families, the names of quests."""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence

LABEL_CHARACTERS = 120
TITLE_CHARACTERS = 80
LONGEST_ID_IN_A_NAME = 40

UNKNOWN = "unknown"
OTHER = "other"
RESERVED = frozenset({UNKNOWN, OTHER})

REPLACED = {'"': "'", "\\": "/"}


def clean(text: str, characters: int = LABEL_CHARACTERS) -> str:
    """A text as it may stand in a label."""
    safe = (
        " " if unicodedata.category(character) == "Cc" else REPLACED.get(character, character) for character in text
    )
    return "".join(safe)[:characters]


def clean_or_unknown(text: str | None) -> str:
    """A model or layer as a label."""
    return UNKNOWN if text is None else clean(text)


def family(provider: str | None, patterns: Sequence[tuple[str, str]]) -> str:
    """The provider family a spelling belongs to: that of the first pattern found in it."""
    if provider is None:
        return UNKNOWN
    found = (name for pattern, name in patterns if re.search(pattern, provider, re.IGNORECASE))
    return clean(next(found, OTHER))


def quest_labels(names: Mapping[str, str | None]) -> dict[str, str]:
    """The label of each known quest id, from the name of each (None where it has none)."""
    bases = {quest: clean(name or quest) for quest, name in names.items()}
    keepers = _keepers(bases)
    labels = {quest: bases[quest] for quest in keepers}
    taken = set(labels.values())
    for quest in _bytewise(set(bases) - keepers):
        label = _with_suffix(bases[quest], clean(quest) if len(quest) <= LONGEST_ID_IN_A_NAME else _digest(quest))
        if label in taken:
            label = _with_suffix(bases[quest], _digest(quest))
        labels[quest] = label
        taken.add(label)
    return labels


def _keepers(bases: Mapping[str, str]) -> set[str]:
    """The ids that keep their base label: the smallest of each base that is not reserved."""
    smallest: dict[str, str] = {}
    for quest in _bytewise(bases):
        if bases[quest] not in RESERVED:
            smallest.setdefault(bases[quest], quest)
    return set(smallest.values())


def _with_suffix(base: str, suffix: str) -> str:
    """Put a suffix in brackets behind a base, which is cut where the whole would be too long."""
    tail = f" ({suffix})"
    return base[: LABEL_CHARACTERS - len(tail)] + tail


def _digest(quest: str) -> str:
    return hashlib.sha256(quest.encode()).hexdigest()[:8]


def _bytewise(texts: Iterable[str]) -> list[str]:
    return sorted(texts, key=str.encode)
