"""Sizes and durations of the product that tests change. This is the only place that patches its constants.

Each has a name of its own, so that a test says `sizes(chunk_rows=6)` and knows nothing of the module that holds the constant.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from typing import Any
from unittest.mock import patch

from exporter import refresher, scheduler
from exporter.backfill import recorder
from exporter.demo import booking
from exporter.incremental import reader, tail, walk
from exporter.labelling import quests
from exporter.ledgers import history
from exporter.ledgers.budget import Budget
from exporter.ledgers.ledger import Ledger
from exporter.names import families
from exporter.parts import settled, tasks
from exporter.publishing import costliest, counters
from exporter.reading import tasks as reading_tasks
from exporter.reconcile import published
from exporter.web import connection, healthy, server

PLACES: dict[str, tuple[Any, ...]] = {
    # the engine
    "first_load_seconds": ("_FIRST_LOAD_SECONDS", refresher),
    "gone_quests": ("_GONE_QUESTS", quests),
    "gone_tasks": ("_GONE_TASKS", reading_tasks),
    "newest_rows": ("newest_rows", Ledger, Budget),
    "range_rows": ("RANGE_ROWS", reader),
    "small_rows": ("SMALL_ROWS", reader),
    "chunk_rows": ("CHUNK_ROWS", reader),
    "smallest_chunk_rows": ("SMALLEST_CHUNK_ROWS", reader),
    "reread_rows": ("REREAD_ROWS", reader),
    "many_rows": ("MANY_ROWS", reader),
    "unindexed_rows": ("UNINDEXED_ROWS", reader),
    "settling_seconds": ("SETTLING_SECONDS", reader),
    "overlap_ids": ("OVERLAP_IDS", tail),
    "mark_seconds": ("MARK_SECONDS", tail),
    "mark_seconds_without_snapshot": ("MARK_SECONDS_WITHOUT_SNAPSHOT", tail),
    "max_known": ("MAX_KNOWN", tail, reader),
    "max_updates": ("MAX_UPDATES", tail, reader),
    "tail_step_ids": ("_STEP", tail),
    "walk_rows": ("ROWS", walk),
    "walk_seconds": ("SECONDS", walk),
    "walk_range_cost_rows": ("RANGE_COST_ROWS", walk),
    "walk_hurry": ("HURRY", walk),
    "known_providers": ("_MAX_KNOWN_PROVIDERS", families),
    "gone_keys": ("_GONE_KEYS", counters),
    "spare_tasks": ("_SPARE", costliest),
    "laid_over_rows": ("_LAID_OVER", settled),
    "recent_numbers": ("_RECENT_NUMBERS", tasks),
    "number_buckets": ("_BUCKETS", tasks),
    # commands
    "history_chunk_rows": ("CHUNK_ROWS", history),
    "many_changes": ("_MANY_CHANGES", recorder),
    "poll_seconds": ("_POLL_SECONDS", published),
    "demo_tick_seconds": ("TICK_SECONDS", booking),
    "demo_retry_seconds": ("RETRY_SECONDS", booking),
    # the process and its HTTP
    "planning_retry_seconds": ("_RETRY_SECONDS", scheduler),
    "max_connections": ("MAX_CONNECTIONS", server),
    "idle_seconds": ("IDLE_SECONDS", connection),
    "request_seconds": ("REQUEST_SECONDS", connection),
    "response_seconds": ("RESPONSE_SECONDS", connection),
    "handshake_seconds": ("REQUEST_SECONDS", server),
    "healthy_seconds": ("_SECONDS", healthy),
}
"""The constant behind each name, and every module or class that holds it: one that imports it has a copy."""

SMALL = {
    "newest_rows": 4,
    "range_rows": 8,
    "small_rows": 3,
    "chunk_rows": 6,
    "reread_rows": 6,
    "settling_seconds": 600,
    "overlap_ids": 3,
    "mark_seconds": 10,
    "tail_step_ids": 2,
    "walk_rows": 12,
    "walk_seconds": 60,
    "walk_range_cost_rows": 1,
    "walk_hurry": 4,
}
"""Sizes of an engine that freezes, merges, splits, finds late and walks over a few dozen rows."""


@contextmanager
def sizes(**given: float) -> Iterator[None]:
    """Run the block with these sizes, by their names in `PLACES`."""
    with ExitStack() as stack:
        for name, size in given.items():
            constant, *places = PLACES[name]
            for place in places:
                stack.enter_context(patch.object(place, constant, size))
        yield


def small(**others: float) -> AbstractContextManager[None]:
    """Run the block with the sizes in `SMALL`, but for the others that are given."""
    return sizes(**{**SMALL, **others})
