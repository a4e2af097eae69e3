"""All databases side by side: each is asked by a thread of its own."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from itertools import chain
from time import perf_counter
from typing import TypeVar

from exporter.config import Config
from exporter.databases.postgresql import Source
from exporter.ledgers.question import Question
from exporter.reading.database_reader import DatabaseReader
from exporter.reading.ledgers import rows_of
from exporter.reading.reading import Reading
from exporter.reading.tasks import TaskRegister
from exporter.reading.tuning import Tuning

T = TypeVar("T")


class Readers:
    """Reads the ledgers of a configuration, whatever databases they are spread over."""

    def __init__(
        self,
        config: Config,
        sources: Mapping[str, Source],
        tasks: TaskRegister,
        tuning: Tuning,
        former: Readers | None = None,
    ) -> None:
        """`former` has read the sources before: what it knows of rows that mean the same is kept."""
        self.tuning = tuning
        self._grace = config.efficiency.grace
        self._tasks = tasks
        rows = {name: rows_of(config, name, source) for name, source in sources.items()}
        known = former.databases if former else {}
        self.databases: dict[str, DatabaseReader] = {
            name: DatabaseReader(source, rows[name], tasks.numbers, tuning, known.get(name))
            for name, source in sources.items()
        }
        self._charges = {name: ledgers["cost"] for name, ledgers in rows.items() if "cost" in ledgers}

    def reads_charges_like(self, other: Readers) -> bool:
        """Tell whether both read the same rows of the cost ledger, and these mean the same."""
        return self._charges == other._charges

    @property
    def is_loading(self) -> bool:
        """Tell whether some ledger is not loaded yet, and can be."""
        return any(database.is_loading for database in self.databases.values())

    def begin(self) -> None:
        """Begin a refresh: what has failed in the one before may be tried again."""
        for database in self.databases.values():
            database.begin()

    def read(self, now: datetime) -> list[Reading]:
        """Read every source once."""
        question = Question(now, self._grace)
        return list(chain.from_iterable(self._each(lambda database: database.read(question))))

    def load(self, now: datetime, seconds: float, *, stop_early: bool) -> list[Reading]:
        """Load more of what is not loaded yet, for so long or until a window is complete; return what failed."""
        question, until = Question(now, self._grace), perf_counter() + seconds
        failed = self._each(lambda database: database.load(question, until, stop_early=stop_early))
        return list(chain.from_iterable(failed))

    def verify(self) -> None:
        """Read some of what was read before again; what differs is corrected. What fails is left for the next time."""
        self._each(DatabaseReader.verify)

    def forget_gone_tasks(self) -> None:
        """Forget the numbers of tasks that are in no ledger any more, once they are most of them."""
        self._tasks.forget_the_gone(self.databases.values())

    def _each(self, work: Callable[[DatabaseReader], T]) -> list[T]:
        databases = list(self.databases.values())
        if len(databases) == 1:
            return [work(databases[0])]
        with ThreadPoolExecutor(max_workers=max(1, len(databases)), thread_name_prefix="source") as workers:
            return list(workers.map(work, databases))
