"""The costliest tasks of today and yesterday, found again at each refresh at the cost of what is new."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from heapq import nsmallest
from itertools import islice

from exporter.sums import Spend, TaskSpend
from exporter.sums.range_sums import add_sums

TaskKey = tuple[str, str]
"""A task and a quest, by their published labels."""

Ranked = tuple[tuple[TaskKey, Spend], ...]
_NOTHING = Spend()
_SPARE = 2000
"""How many more candidates are kept than are published: so many newest tasks may pass them by."""


class Costliest:
    """Adds up what tasks were charged, piece by piece.

    Most pieces stay from refresh to refresh, and are added once; what is exact can be taken away again. Of the sums only the
    first are kept in order.
    """

    def __init__(self, top: int) -> None:
        self._top = top
        self._label: Callable[[tuple[str, str | None]], TaskKey] | None = None
        self._pieces: dict[int, TaskSpend] = {}
        self._sums: dict[TaskKey, Spend] = {}
        self._candidates: set[TaskKey] | None = None
        self._ordered: list[TaskKey] | None = None

    def of(
        self,
        settled: Sequence[TaskSpend],
        newest: Iterable[TaskSpend],
        label: Callable[[tuple[str, str | None]], TaskKey],
    ) -> Ranked:
        """Return the tasks charged most, published under the labels given; ties go to the smaller task, then quest."""
        self._follow(settled, label)
        over: dict[TaskKey, Spend] = {}
        for piece in newest:
            for key, spend in piece.items():
                add_sums(over, label(key), spend)
        sums = {key: self._sums[key] for key in self._first(over)}
        for key, spend in over.items():
            sums[key] = self._sums[key] + spend if key in self._sums else spend
        return tuple(nsmallest(self._top, sums.items(), key=_order))

    def _follow(self, settled: Sequence[TaskSpend], label: Callable[[tuple[str, str | None]], TaskKey]) -> None:
        """Take in by how much the sums have changed: a piece that was read again, and is the same, changes none."""
        if label != self._label:
            self._label, self._pieces, self._sums, self._candidates = label, {}, {}, None
        pieces = {id(piece): piece for piece in settled}
        changes: dict[TaskKey, Spend] = {}
        for known, piece in self._pieces.items():
            if known not in pieces:
                for raw, spend in piece.items():
                    add_sums(changes, label(raw), -spend)
        for known, piece in pieces.items():
            if known not in self._pieces:
                for raw, spend in piece.items():
                    add_sums(changes, label(raw), spend)
        self._pieces = pieces
        for key, change in changes.items():
            if change != _NOTHING:
                self._change(key, change)

    def _change(self, key: TaskKey, change: Spend) -> None:
        before = self._sums.get(key)
        now = change if before is None else before + change
        if now.charges:
            self._sums[key] = now
        else:
            self._sums.pop(key, None)
        if change.usd < 0 or not now.charges:
            self._candidates = None  # who falls may fall below one that is not kept
        elif self._candidates is not None:
            self._candidates.add(key)
        self._ordered = None

    def _first(self, over: Mapping[TaskKey, Spend]) -> Iterator[TaskKey]:
        """Return the first of the settled tasks that are none of those given, as many as are published."""
        wanted = self._top + len(over)
        if self._candidates is None or len(self._candidates) < min(wanted, len(self._sums)):
            self._candidates, self._ordered = set(self._sums), None
        if self._ordered is None:
            sums = [(key, self._sums[key]) for key in self._candidates]
            self._ordered = [key for key, _ in nsmallest(max(wanted, self._top + _SPARE), sums, key=_order)]
            self._candidates = set(self._ordered)
        return islice((key for key in self._ordered if key not in over), self._top)


def _order(item: tuple[TaskKey, Spend]) -> tuple[object, ...]:
    (task, quest), spend = item
    return spend.usd.copy_negate(), task.encode(), quest.encode()
