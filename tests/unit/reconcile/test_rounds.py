"""Places are read before and after the oracle, and waited for."""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import pytest

from exporter.errors import RequestError
from exporter.publishing.samples import Key
from exporter.reconcile import published
from exporter.reconcile.published import Read
from exporter.terminal import StatusLine
from tests.support.sizes import sizes

SNAPSHOT = ("ledger_snapshot_timestamp_seconds", frozenset[tuple[str, str]]())
PROGRESS = ("ledger_first_load_progress_ratio", frozenset({("ledger", "cost")}))


@dataclass
class Told:
    """A place whose snapshots are told one after the other; the last stays."""

    snapshots: list[dict[Key, float]]
    name: str = "http://there/metrics"
    asked: int = field(default=0)

    def read(self) -> Read:
        found = self.snapshots[min(self.asked, len(self.snapshots) - 1)]
        self.asked += 1
        return {"": found}

    def instants(self) -> Mapping[str, float]:
        return {target: samples[SNAPSHOT] for target, samples in self.read().items()}


@pytest.fixture(autouse=True)
def no_pause() -> Iterator[None]:
    with sizes(poll_seconds=0):
        yield


def waited(place: Told, since: float, seconds: float) -> list[str]:
    return published.wait(place, {"": {}}, since, seconds, StatusLine(io.StringIO()))


def test_what_is_of_after_the_oracle_is_waited_for() -> None:
    """And a second more, for the clocks."""
    place = Told([{SNAPSHOT: at} for at in (90.0, 100.0, 100.9, 101.0, 999.0)])

    assert waited(place, 100.0, 60) == []
    assert place.asked == 4


def test_who_never_refreshes_is_late() -> None:
    assert waited(Told([{SNAPSHOT: 90.0}]), 100.0, 0.01) == [""]


def test_who_loads_its_ledgers_cannot_be_compared() -> None:
    with pytest.raises(RequestError, match="has loaded 25% of its ledgers"):
        published.read(Told([{SNAPSHOT: 1.0, PROGRESS: 0.25}]))


def test_who_is_no_exporter_cannot_be_compared() -> None:
    with pytest.raises(RequestError, match="no figures of a ledger-exporter"):
        published.read(Told([{PROGRESS: 1.0}]))
