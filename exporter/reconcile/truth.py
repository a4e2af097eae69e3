"""What the ledgers say in one snapshot of each database: read whole by the oracle, and as the exporter reads them."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime

from exporter import views
from exporter.config import Config
from exporter.databases.postgresql import Source
from exporter.errors import SourceError
from exporter.labelling.policy import LabelPolicy
from exporter.publishing.samples import Key, by_key, of_families
from exporter.publishing.snapshot import Snapshot
from exporter.reading.tuning import Tuning
from exporter.reconcile.kept import Kept
from exporter.refresher import Refresher
from exporter.terminal import StatusLine

_SLICE_SECONDS = 1.0
"""How long to load before progress is shown."""


@dataclass(frozen=True)
class Telling:
    """What was made of one reading: the snapshot, and every sample a scrape would see."""

    snapshot: Snapshot
    samples: Mapping[Key, float]


@dataclass(frozen=True)
class Truth:
    """The oracle's telling for each folding of labels, and the engine's.

    `instant` is when the databases' snapshots were open (Unix seconds): what is read from then on is of the same rows or later.
    """

    instant: float
    oracle: Mapping[Kept, Telling]
    engine: Telling


def read(config: Config, sources: Mapping[str, Source], folded: Iterable[Kept], status: StatusLine) -> Truth:
    """Read all ledgers whole, once for each folding, and range by range as the engine does, in the same snapshots.

    Raises:
        SourceError: a ledger cannot be read.
    """
    with ExitStack() as snapshots:
        now = datetime.now(UTC)
        for source in sources.values():
            snapshots.enter_context(source.pinned())
        instant = time.time()
        oracle = {}
        for kept in folded:
            status.say("Reading the ledgers whole ...")
            policy = LabelPolicy(config.limits, kept.admission)
            oracle[kept] = _told(
                Refresher.new(config, sources, tuning=Tuning(reads_whole=True), policy=policy), now, status
            )
        return Truth(instant, oracle, _told(Refresher.new(config, sources), now, status))


def _told(refresher: Refresher, now: datetime, status: StatusLine) -> Telling:
    """Return what a refresh publishes once everything is loaded."""
    snapshot = refresher.run(now).snapshot
    while refresher.is_loading:
        loaded = min(health.progress or 0.0 for health in snapshot.health.values())
        status.say(f"Loading the ledgers as the exporter does ... {loaded:.0%}")
        refresher.load(now, _SLICE_SECONDS)
        snapshot = refresher.run(now, again=True).snapshot
    problems = [health.error for health in snapshot.health.values() if health.error is not None]
    if problems:
        raise SourceError("; ".join(dict.fromkeys(problems)))
    return Telling(snapshot, by_key(of_families(views.families(snapshot))))
