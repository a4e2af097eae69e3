"""The numbers of tasks, shared by all sources of the cost ledger, so that a task of two sources is counted once."""

from __future__ import annotations

from collections.abc import Iterable

from exporter.reading.database_reader import DatabaseReader
from exporter.sums import TaskNumbers

_GONE_TASKS = 100_000
"""Keep the numbers of at most this many tasks that are in no ledger any more, beside as many as there are in them."""


class TaskRegister:
    """Numbers tasks, and forgets those that are in no ledger any more once they are most of them."""

    def __init__(self) -> None:
        self.numbers = TaskNumbers()
        self._due = _GONE_TASKS

    def forget_the_gone(self, readers: Iterable[DatabaseReader]) -> None:
        """Forget tasks that none of the readers knows; nothing as long as one of them does not know all its rows."""
        if len(self.numbers) < self._due:
            return
        found = [reader.task_sets() for reader in readers]
        known = [tasks for sets in found if sets is not None for tasks in sets]
        if None not in found:
            self._due = self.numbers.forget_all_but(known, _GONE_TASKS)
