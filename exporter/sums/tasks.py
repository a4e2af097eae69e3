"""Distinct tasks, exactly: task ids as small numbers, and sets of numbers as roaring bitmaps.

A set a provider and day is small, and a window is the size of a union. Sets can be taken away again, which a "last day seen"
a task could not.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections.abc import Callable, Iterable, Mapping, Sequence
from threading import Lock

from pyroaring import BitMap

from exporter.sums.days import RECENT_DAYS, WINDOWS, WINDOWS_BY_AGE
from exporter.sums.remembered import Remembered

_RECENT_NUMBERS = 20_000
_BUCKETS = 1024


class TaskNumbers:
    """Numbers tasks from 0 on, each once; shards of a ledger share one numbering.

    A task is known by Python's hash of its id, 64 bits with a key of the process: two tasks are taken for one only where
    these collide. All are in sorted arrays, 12 bytes a task, many small ones so that a new task moves little; those asked
    for lately are in a dictionary besides. Sources are read side by side, each by a thread of its own.
    """

    def __init__(self) -> None:
        self._lock = Lock()
        self._recent: dict[int, int] = {}
        self._hashes = [array("q") for _ in range(_BUCKETS)]
        self._numbers = [array("I") for _ in range(_BUCKETS)]
        self._next = 0

    def __len__(self) -> int:
        return sum(map(len, self._numbers))

    def of(self, tasks: Iterable[str]) -> BitMap:
        """Return the numbers of tasks, as a set."""
        numbers = []
        with self._lock:
            recent = self._recent
            for task in tasks:
                hashed = hash(task)
                number = recent.get(hashed)
                if number is None:
                    number = recent[hashed] = self._number(hashed)
                numbers.append(number)
            if len(recent) > _RECENT_NUMBERS:
                self._recent = {}
        return BitMap(numbers)

    def forget_all_but(self, sets: Sequence[BitMap], spare: int) -> int:
        """Forget all tasks that are in none of these sets, once they are most of them and more than `spare`.

        The others keep their numbers; a forgotten one gets a new number. Returns with how many tasks that may be due again.
        """
        known = BitMap.union(*sets, BitMap())
        due = 2 * len(known) + spare
        if len(self) > due:
            self._keep(known)
        return due

    def _keep(self, known: BitMap) -> None:
        with self._lock:
            self._recent = {}
            for bucket, numbers in enumerate(self._numbers):
                kept = [place for place, number in enumerate(numbers) if number in known]
                self._numbers[bucket] = array("I", [numbers[place] for place in kept])
                self._hashes[bucket] = array("q", [self._hashes[bucket][place] for place in kept])

    def _number(self, hashed: int) -> int:
        hashes, numbers = self._hashes[hashed % _BUCKETS], self._numbers[hashed % _BUCKETS]
        position = bisect_left(hashes, hashed)
        if position == len(hashes) or hashes[position] != hashed:
            hashes.insert(position, hashed)
            numbers.insert(position, self._next)
            self._next += 1
        return numbers[position]


TaskSet = BitMap
"""The numbers of tasks."""

TaskSets = Mapping[tuple[str, int], BitMap]
"""(provider, day) to the tasks charged by that provider on that day."""


class Tasks:
    """Sets of tasks by provider and day as of one day, and how many are in each window. Immutable; may be laid over another."""

    def __init__(self, today: int, sets: TaskSets, base: Tasks | None = None) -> None:
        """`base` is what these sets are laid over: the sum of both is the union."""
        self.today = today
        self._sets = sets
        self._base = base
        self._remembered: Remembered[dict[str, tuple[BitMap, ...]]] = Remembered()

    def over(self, base: Tasks) -> Tasks:
        """Return these sets laid over others."""
        return Tasks(self.today, self._sets, base if self._base is None else _Both(self._base, base))

    def counts(self, provider_of: Callable[[str], str]) -> dict[str, tuple[int, ...]]:
        """Return the number of distinct tasks by provider, named as told, in each of the windows."""
        own = self._unions(provider_of)
        if self._base is None:
            return {provider: tuple([len(tasks) for tasks in windows]) for provider, windows in own.items()}
        below = self._base.merged(provider_of)
        counts = {
            provider: tuple([len(tasks) for tasks in windows])
            for provider, windows in below.items()
            if provider not in own
        }
        for provider, windows in own.items():
            others = below.get(provider)
            counts[provider] = tuple(
                [
                    len(tasks)
                    if others is None
                    else len(others[position]) + tasks.difference_cardinality(others[position])
                    for position, tasks in enumerate(windows)
                ]
            )
        return counts

    def merged(self, provider_of: Callable[[str], str]) -> Mapping[str, tuple[BitMap, ...]]:
        """Return the union in each window by provider, remembered with the function."""
        if self._base is None:
            return self._unions(provider_of)
        if provider_of not in self._remembered:
            self._remembered[provider_of] = _united(self._base.merged(provider_of), self._unions(provider_of))
        return self._remembered[provider_of]

    def _unions(self, provider_of: Callable[[str], str]) -> dict[str, tuple[BitMap, ...]]:
        remembered = ("own", provider_of)
        if remembered not in self._remembered:
            found: dict[str, list[list[BitMap]]] = {}
            for (provider, day), tasks in self._sets.items():
                age = self.today - day
                if age >= 0:
                    windows = found.setdefault(provider_of(provider), [[] for _ in WINDOWS])
                    for position in WINDOWS_BY_AGE[min(age, RECENT_DAYS)]:
                        windows[position].append(tasks)
            self._remembered[remembered] = {
                provider: tuple([BitMap.union(*sets) if sets else BitMap() for sets in windows])
                for provider, windows in found.items()
            }
        return self._remembered[remembered]


class _Both(Tasks):
    """The union of two layers of sets."""

    def __init__(self, one: Tasks, other: Tasks) -> None:
        super().__init__(one.today, {})
        self._one, self._other = one, other

    def merged(self, provider_of: Callable[[str], str]) -> Mapping[str, tuple[BitMap, ...]]:
        """Return the union in each window by provider, remembered with the function."""
        if provider_of not in self._remembered:
            self._remembered[provider_of] = _united(self._one.merged(provider_of), self._other.merged(provider_of))
        return self._remembered[provider_of]


Unions = Mapping[str, tuple[BitMap, ...]]
"""Provider to the tasks in each of the windows."""


def _united(one: Unions, other: Unions) -> dict[str, tuple[BitMap, ...]]:
    united = dict(one)
    for provider, windows in other.items():
        below = united.get(provider)
        united[provider] = windows if below is None else tuple([a | b for a, b in zip(below, windows, strict=True)])
    return united


def unite(sets: Iterable[TaskSets]) -> dict[tuple[str, int], BitMap]:
    """Return the union of sets by provider and day."""
    united: dict[tuple[str, int], BitMap] = {}
    for each in sets:
        for key, tasks in each.items():
            united[key] = united[key] | tasks if key in united else tasks
    return united


def everyone(_: str) -> str:
    """Name every provider alike: to count tasks over all of them."""
    return ""
