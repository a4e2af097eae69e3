"""Sizes and durations of the product that tests change. This is the only place that patches its constants.

Each has a name of its own, so that a test says `sizes(chunk_rows=6)` and knows nothing of the module that holds the constant.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from contextvars import ContextVar
from dataclasses import replace
from typing import Any
from unittest.mock import patch

from exporter import refresher, scheduler
from exporter.backfill import history, recorder
from exporter.demo import booking
from exporter.labelling import quests
from exporter.ledgers import ledger
from exporter.names import families
from exporter.publishing import costliest, counters
from exporter.reading import tasks as reading_tasks
from exporter.reading.tuning import Tuning
from exporter.reconcile import published
from exporter.sums import settled, tasks
from exporter.web import connection, healthy, server

PLACES: dict[str, tuple[Any, ...]] = {
    # the engine
    "first_load_seconds": ("_FIRST_LOAD_SECONDS", refresher),
    "gone_quests": ("_GONE_QUESTS", quests),
    "gone_tasks": ("_GONE_TASKS", reading_tasks),
    "unindexed_rows": ("UNINDEXED_ROWS", ledger),
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

SMALL = Tuning(
    newest_rows=4,
    piece_rows=6,
    smallest_piece_rows=2,
    range_rows=8,
    settling_range_rows=3,
    settling_seconds=600,
    reread_rows=6,
    late_rows=20,
    overlap_ids=3,
    mark_seconds=10,
    floor_step=2,
    look_back_rows=40,
    turn_rows=4,
    verified_rows=60,
    small_ledger_rows=0,
    verified_by_reading=3,
    hurried_rows=100,
    hurried_seconds=0,
)
"""Sizes of an engine that settles, joins, splits, finds late and verifies a few dozen rows."""

_tuning: ContextVar[Tuning | None] = ContextVar("tuning", default=None)


def tuning() -> Tuning:
    """Return the sizes that an engine is to have here."""
    return _tuning.get() or Tuning()


@contextmanager
def sizes(**given: float) -> Iterator[None]:
    """Run the block with these sizes, by their names in `PLACES`."""
    with ExitStack() as stack:
        for name, size in given.items():
            constant, *places = PLACES[name]
            for place in places:
                stack.enter_context(patch.object(place, constant, size))
        yield


@contextmanager
def small(**others: float) -> Iterator[None]:
    """Let engines that are made in the block have the sizes in `SMALL`, but for the others that are given."""
    patched = {name: size for name, size in others.items() if name in PLACES}
    passed = {name: size for name, size in others.items() if name not in PLACES}
    token = _tuning.set(replace(SMALL, **passed))  # type: ignore[arg-type]
    try:
        with sizes(**patched):
            yield
    finally:
        _tuning.reset(token)
