"""Names of quests: each quest id gets one label, and no two quests share one."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Mapping

from exporter.holding import Parts
from exporter.names.text import MAX_LENGTH, RESERVED, bytewise, clean
from exporter.sums import BudgetPart, CostPart, ImpactPart

_MAX_SUFFIX_ID = 40


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
        keeper = min(quests, key=bytewise) if base not in RESERVED else None
        if keeper is not None:
            labels[keeper] = base
            taken.add(base)
        crowded += [(base, quest) for quest in quests if quest != keeper]
    for base, quest in sorted(crowded, key=lambda pair: bytewise(pair[1])):
        label = _suffixed(base, clean(quest) if len(quest) <= _MAX_SUFFIX_ID else _digest(quest))
        if label in taken:
            label = _suffixed(base, _digest(quest))
        labels[quest] = label
        taken.add(label)
    return labels


def _digest(text: str) -> str:
    return hashlib.sha256(bytewise(text)).hexdigest()[:8]


def _suffixed(base: str, suffix: str) -> str:
    ending = f" ({suffix})"
    return base[: MAX_LENGTH - len(ending)] + ending


def booked_names(budget: BudgetPart) -> dict[str, str | None]:
    """Return each quest's name as of its newest allocation row; of several on that day the bytewise smallest."""
    return {quest: min(names, key=str.encode, default=None) for quest, (_, names) in budget.names.items()}


def quests_of(part: CostPart | ImpactPart | BudgetPart) -> set[str]:
    """Return every quest id in a part."""
    if isinstance(part, CostPart):
        keys = part.spend.by("quest").present()
    elif isinstance(part, ImpactPart):
        keys = part.outcomes.by("quest").present()
    else:
        keys = part.allocations.present()
    return {quest for (quest,) in keys if quest is not None}


def quest_ids(parts: Parts) -> set[str]:
    """Return every quest id in any ledger."""
    return set().union(*map(quests_of, parts.known().values()))
