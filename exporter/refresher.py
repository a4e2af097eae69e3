"""One refresh: read, hold, label, build, render. A failure is an outcome, never half an update."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from exporter import views
from exporter.config import Config
from exporter.databases.postgresql import Source
from exporter.errors import Stopped
from exporter.holding import Holding, Parts
from exporter.labelling.policy import LabelPolicy
from exporter.logs import Troubles
from exporter.publishing.builder import Published
from exporter.publishing.counters import Counters
from exporter.publishing.exposition import Renderer
from exporter.publishing.maker import SnapshotMaker
from exporter.publishing.snapshot import Reload, Snapshot
from exporter.reading.readers import Readers
from exporter.reading.reading import Reading
from exporter.reading.tasks import TaskRegister
from exporter.reading.tuning import Tuning

log = logging.getLogger(__name__)

_FIRST_LOAD_SECONDS = 0.5


@dataclass(frozen=True)
class Kept:
    """What outlives a reload of the configuration."""

    holding: Holding
    policy: LabelPolicy
    counters: Counters
    tasks: TaskRegister
    renderer: Renderer

    @classmethod
    def new(cls, config: Config, policy: LabelPolicy | None) -> Kept:
        """Begin with nothing that is known."""
        policy, counters = policy or LabelPolicy(config.limits), Counters(config.limits.combinations)
        return cls(Holding(config), policy, counters, TaskRegister(), Renderer())

    def reconfigure(self, config: Config) -> None:
        """Go over to another configuration: values stay until ledgers are read under it, and counters never fall."""
        self.holding.reconfigure(config)
        self.policy.limit(config.limits)
        self.counters.limit = config.limits.combinations


class Refresher:
    """Refreshes under one configuration, one refresh at a time; what that returns is immutable."""

    def __init__(
        self, config: Config, readers: Readers, kept: Kept, reload: Reload, last: Snapshot | None = None
    ) -> None:
        """`last` is the snapshot made last under the configuration before, if there was one."""
        self.kept = kept
        self.readers = readers
        self.reload = reload
        self._maker = SnapshotMaker(config, kept.holding, kept.policy, kept.counters)
        self._troubles = Troubles()
        builder = self._maker.builder
        last = last or builder.blank(kept.holding.health, reload)
        self.last: Snapshot = replace(last, settings=builder.settings, reload=reload)

    @classmethod
    def new(
        cls,
        config: Config,
        sources: Mapping[str, Source],
        reload: Reload | None = None,
        *,
        tuning: Tuning | None = None,
        policy: LabelPolicy | None = None,
    ) -> Refresher:
        """Begin to refresh. `sources` maps the names in the configuration to databases; they stay the caller's to close.

        `tuning` has the sizes and limits of the engine. `policy` decides about labels, by default as the configuration says.
        """
        kept = Kept.new(config, policy)
        return cls(config, Readers(config, sources, kept.tasks, tuning or Tuning()), kept, reload or Reload())

    def reloaded(self, config: Config, sources: Mapping[str, Source], reload: Reload) -> Refresher:
        """Return the refresher that goes on under another configuration.

        What that makes of old charges is no growth of the counters.
        """
        kept, readers = self.kept, Readers(config, sources, self.kept.tasks, self.readers.tuning, self.readers)
        kept.reconfigure(config)
        if not readers.reads_charges_like(self.readers):
            kept.counters.rebase()
        return Refresher(config, readers, kept, reload, self.last)

    def empty(self) -> Published:
        """Return what is published before the first refresh: nothing is known of any ledger."""
        return Published(self.last, self.kept.renderer.render(views.families(self.last)))

    def run(self, now: datetime, *, again: bool = False) -> Published:
        """Read every source once and return a new snapshot; what could not be read keeps its last values.

        With `again` it goes on with the refresh before: what failed in that is not tried again.
        """
        try:
            self._take(self._read(now, again=again), now)
            snapshot = self._maker.make(now, self.reload, is_loading=self.is_loading)
            families = views.families(snapshot)
        except Stopped:
            raise
        except Exception as error:
            # A bug, or no memory left, must not leave old figures that look alive.
            if self._troubles.recur("snapshot"):
                log.exception("making a snapshot failed unexpectedly")
            self.kept.holding.fail(f"unexpected {type(error).__name__} in making a snapshot")
            snapshot = self._maker.builder.hold(self.last, self.kept.holding.health, self.reload, now)
            families = views.families(snapshot)
        published = Published(snapshot, self.kept.renderer.render(families))
        self.last = snapshot
        return published

    @property
    def is_loading(self) -> bool:
        """Tell whether some ledger is not loaded yet, and can be."""
        return self.readers.is_loading

    def parts(self, now: datetime) -> Parts:
        """Return the ledgers that are known, and not too old."""
        return self.kept.holding.parts(now)

    def load(self, now: datetime, seconds: float, *, stop_early: bool = True) -> None:
        """Load more of what is not loaded yet, for so long or until a window is complete; what fails is tried again later."""
        self.kept.holding.note_failed_loads(self.readers.load(now, seconds, stop_early=stop_early))

    def verify(self) -> None:
        """Read some of what was read before again; what differs is corrected. What fails is left for the next time."""
        self.readers.verify()

    def _read(self, now: datetime, *, again: bool) -> list[Reading]:
        """Read every source once; a small ledger is known whole at the first refresh."""
        if not again:
            self.readers.begin()
        readings = self.readers.read(now)
        if self.last.instant is None and self.is_loading:
            self.load(now, _FIRST_LOAD_SECONDS, stop_early=False)
            latest = {(reading.ledger, reading.source): reading for reading in (*readings, *self.readers.read(now))}
            readings = list(latest.values())
        return readings

    def _take(self, readings: list[Reading], now: datetime) -> None:
        self.kept.holding.take(readings, now)
        if self.kept.holding.health["cost"].up:
            self.readers.forget_gone_tasks()
