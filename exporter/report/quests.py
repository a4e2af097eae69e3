"""Quests as people write them: by name or id, whatever the case."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from exporter.errors import ExporterError
from exporter.publishing.samples import Labels, Samples
from exporter.views import allocation


def labels(samples: Samples, names: Iterable[str]) -> set[str]:
    """Return the labels of the quests that are meant. An exact name comes first, then an exact id, then either in any case.

    Raises:
        ExporterError: a name is nobody's, or may be that of several quests.
    """
    quests = [quest for quest, _ in samples.of(allocation.INFO)]
    found = {name: next(filter(None, _meant(quests, name)), set()) for name in names}
    unknown = [repr(name) for name, meant in found.items() if not meant]
    if unknown:
        known = ", ".join(sorted(quest["quest"] for quest in quests)) or "none"
        raise ExporterError(f"there is no quest {', '.join(unknown)}; there are: {known}")
    for name, meant in found.items():
        if len(meant) > 1:
            several = ", ".join(sorted(meant))
            raise ExporterError(f"{name!r} may be any of the quests {several}; write it as it is written there")
    return set().union(*found.values())


def _meant(quests: Iterable[Labels], name: str) -> Iterator[set[str]]:
    """Yield the labels of those that may be meant, the surest first."""
    yield {quest["quest"] for quest in quests if quest["quest"] == name}
    yield {quest["quest"] for quest in quests if quest["quest_id"] == name}
    folded = name.casefold()
    yield {quest["quest"] for quest in quests if folded in (quest["quest"].casefold(), quest["quest_id"].casefold())}
