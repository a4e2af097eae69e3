"""Places are read before and after the oracle, and waited for until they have refreshed."""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest

from exporter.errors import RequestError
from exporter.publishing.samples import Key
from exporter.reconcile import published
from exporter.reconcile.published import Again, Read
from exporter.terminal import StatusLine
from tests.support.sizes import sizes

SNAPSHOT = ("ledger_snapshot_timestamp_seconds", frozenset[tuple[str, str]]())
PROGRESS = ("ledger_first_load_progress_ratio", frozenset({("ledger", "cost")}))


@dataclass
class Told:
    """A place that is read one time after the other; the last reading stays."""

    readings: list[Read]
    name: str = "http://there/metrics"
    asked: int = field(default=0)

    def read(self) -> Read:
        found = self.readings[min(self.asked, len(self.readings) - 1)]
        self.asked += 1
        return found


def at(*instants: float) -> Told:
    """A place with one target, and the snapshots it shows."""
    return Told([{"": {SNAPSHOT: instant}} for instant in instants])


@pytest.fixture(autouse=True)
def no_pause() -> Iterator[None]:
    with sizes(poll_seconds=0):
        yield


def read_again(place: Told, *targets: str, seconds: float = 60) -> Again:
    before: Read = {target: dict[Key, float]() for target in targets or ("",)}
    return published.read_again(place, before, 100.0, seconds, StatusLine(io.StringIO()))


def test_a_refresh_after_the_ledgers_were_read_is_waited_for() -> None:
    """And a second more, for the clocks."""
    place = at(90.0, 100.0, 100.9, 101.0, 999.0)

    assert read_again(place) == Again({"": {SNAPSHOT: 101.0}}, frozenset())
    assert place.asked == 4


def test_an_exporter_that_never_refreshes_is_late() -> None:
    assert read_again(at(90.0), seconds=0.01) == Again({"": {SNAPSHOT: 90.0}}, frozenset({""}))


def test_a_target_does_not_move_on_while_another_is_waited_for() -> None:
    readings = [{"a": {SNAPSHOT: 101.0}, "b": {SNAPSHOT: 90.0}}, {"a": {SNAPSHOT: 102.0}, "b": {SNAPSHOT: 102.0}}]

    assert read_again(Told(readings), "a", "b").read == {"a": {SNAPSHOT: 101.0}, "b": {SNAPSHOT: 102.0}}


def test_an_exporter_that_restarts_is_waited_for_until_it_has_loaded() -> None:
    readings: list[Read] = [{}, {"": {SNAPSHOT: 101.0, PROGRESS: 0.25}}, {"": {SNAPSHOT: 102.0, PROGRESS: 1.0}}]

    assert read_again(Told(readings)) == Again({"": {SNAPSHOT: 102.0, PROGRESS: 1.0}}, frozenset())


def test_a_target_that_does_not_come_back_is_missing() -> None:
    place = Told([{"b": {SNAPSHOT: 101.0}}])

    assert read_again(place, "a", "b", seconds=0.01) == Again({"b": {SNAPSHOT: 101.0}}, frozenset({"a"}))


def test_an_exporter_that_loads_its_ledgers_cannot_be_compared() -> None:
    with pytest.raises(RequestError, match="has loaded 25% of its ledgers"):
        published.read(Told([{"": {SNAPSHOT: 1.0, PROGRESS: 0.25}}]))


def test_a_place_without_an_exporter_cannot_be_compared() -> None:
    with pytest.raises(RequestError, match="no figures of a ledger-exporter"):
        published.read(Told([{"": {PROGRESS: 1.0}}]))
