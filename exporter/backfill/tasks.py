"""Distinct tasks by provider in each window, to which tasks are added as time goes on."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from exporter.parts import RECENT_DAYS, WINDOWS, TaskNumbers, Tasks
from exporter.parts.days import WINDOWS_BY_AGE
from exporter.parts.tasks import TaskSet, everyone


class RunningTasks(Tasks):
    """Sets of tasks by provider and day, and their unions by window, as of a day, to which tasks are added.

    Who is added is laid under its provider's name when the numbers are next asked for: in between it may be decided who keeps
    a label.
    """

    def __init__(self, today: int, numbers: TaskNumbers) -> None:
        super().__init__(today, {})
        self._numbers = numbers
        self._by_day: dict[tuple[str, int], TaskSet] = {}
        self._named: Callable[[str], str] | None = None
        self._windows: dict[str, list[TaskSet]] = {}
        self._all: list[TaskSet] = self._none()
        self._incoming: list[tuple[str, int, TaskSet]] = []

    def roll(self, today: int) -> None:
        """Go over to another day."""
        self.today, self._named = today, None
        by_day, self._by_day, self._incoming = self._by_day, {}, []
        for (provider, day), tasks in by_day.items():
            self._unite(provider, max(day, today - RECENT_DAYS), tasks)
        windows = Tasks(today, self._by_day).merged(everyone).get("", ())
        self._all = [tasks.copy() for tasks in windows] or self._none()

    def add(self, provider: str, day: int, tasks: Iterable[str]) -> None:
        """Add tasks charged by a provider on a day that is not after today."""
        new, age = self._numbers.of(tasks), min(self.today - day, RECENT_DAYS)
        self._unite(provider, self.today - age, new)
        self._incoming.append((provider, age, new))
        for position in WINDOWS_BY_AGE[age]:
            self._all[position] |= new

    def counts(self, provider_of: Callable[[str], str]) -> dict[str, tuple[int, ...]]:
        """Return the number of distinct tasks by provider, named as told, in each of the windows."""
        if provider_of is everyone:
            return {"": tuple(map(len, self._all))}
        if provider_of != self._named:
            self._name(provider_of)
        incoming, self._incoming = self._incoming, []
        for provider, age, new in incoming:
            label = provider_of(provider)
            windows = self._windows.get(label) or self._windows.setdefault(label, self._none())
            for position in WINDOWS_BY_AGE[age]:
                windows[position] |= new
        return {provider: tuple(map(len, windows)) for provider, windows in self._windows.items()}

    def _name(self, provider_of: Callable[[str], str]) -> None:
        merged = Tasks(self.today, self._by_day).merged(provider_of)
        self._windows = {provider: [tasks.copy() for tasks in windows] for provider, windows in merged.items()}
        self._named, self._incoming = provider_of, []

    def _unite(self, provider: str, day: int, tasks: TaskSet) -> None:
        known = self._by_day.get((provider, day))
        self._by_day[provider, day] = tasks if known is None else known | tasks

    def _none(self) -> list[TaskSet]:
        return [self._numbers.of(()) for _ in WINDOWS]
