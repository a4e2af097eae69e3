"""Garbage in cycles is found, and no collection begins by itself that takes long."""

from __future__ import annotations

import gc
import sys
import weakref
from collections.abc import Iterator

import pytest

from exporter.garbage import Garbage


class Cycle:
    """Something that only a collection frees."""

    def __init__(self) -> None:
        self.itself = self


@pytest.fixture
def garbage() -> Iterator[Garbage]:
    """As in a process of its own."""
    threshold, interval = gc.get_threshold(), sys.getswitchinterval()
    gc.disable()
    yield Garbage()
    gc.unfreeze()
    gc.set_threshold(*threshold)
    gc.enable()
    sys.setswitchinterval(interval)


def test_what_a_pass_left_in_a_cycle_is_freed_after_it(garbage: Garbage) -> None:
    garbage.collect(day=1)
    left = weakref.ref(Cycle())
    assert left() is not None
    garbage.collect(day=1)

    assert left() is None


def test_what_became_garbage_later_is_freed_the_next_day(garbage: Garbage) -> None:
    """What stays from pass to pass is looked at once a day."""
    kept = Cycle()
    left = weakref.ref(kept)
    garbage.collect(day=1)
    del kept
    garbage.collect(day=1)
    assert left() is not None
    garbage.collect(day=2)

    assert left() is None


def test_python_begins_no_collection_of_everything(garbage: Garbage) -> None:
    """It would stop a scrape for as long as it takes."""
    garbage.collect(day=1)
    full: list[int] = []

    def note(phase: str, info: dict[str, int]) -> None:
        if phase == "start" and info["generation"] == 2:
            full.append(1)

    gc.callbacks.append(note)
    gc.enable()
    kept = [[number] for number in range(200_000)]
    gc.disable()
    gc.callbacks.remove(note)

    assert len(kept) == 200_000
    assert not full
