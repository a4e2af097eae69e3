"""From what is held to a snapshot: labels are decided, counters grow, and figures are built."""

from __future__ import annotations

from datetime import datetime
from functools import partial

from exporter.config import Config
from exporter.holding import Holding, Parts
from exporter.labelling.labels import Labeller, Labels
from exporter.labelling.policy import LabelPolicy
from exporter.publishing.builder import Builder
from exporter.publishing.census import Census, Rules, exporter_series
from exporter.publishing.counters import Counters, Proposal
from exporter.publishing.snapshot import Reload, Snapshot
from exporter.sums import CostPart


class SnapshotMaker:
    """Makes snapshots under one configuration, of the present for `serve` and of the past for `backfill`."""

    def __init__(self, config: Config, holding: Holding, policy: LabelPolicy, counters: Counters) -> None:
        """The three hold what is known from one snapshot to the next, and may outlive the configuration."""
        self.builder = Builder(config)
        self._rules = Rules.of(config)
        self._holding = holding
        self._policy = policy
        self._counters = counters

    def make(self, now: datetime, reload: Reload, *, is_loading: bool = False) -> Snapshot:
        """Make the snapshot of all that is known."""
        parts, labels = self.decide(now, reload, is_loading=is_loading)
        return self.builder.build(parts, labels, self._counters, self._holding, reload)

    def decide(self, now: datetime, reload: Reload, *, is_loading: bool = False) -> tuple[Parts, Labels]:
        """Return all that is known, and how it is labelled; the counters have grown by it, unless a ledger is loading."""
        parts = self._holding.parts(now)
        besides = exporter_series(parts, self._holding.health, self._holding.instant, reload)
        propose = partial(self._propose, None if is_loading else parts.cost)
        census = Census(parts, self._rules, self._counters, propose, besides)
        labels = self._policy.decide(parts, census)
        proposal = census.proposal(labels)
        if proposal is not None:
            self._counters.take(proposal)
        return parts, labels

    def _propose(self, part: CostPart | None, labeller: Labeller) -> Proposal | None:
        """Propose what the counters become: they change with each newly read cost ledger."""
        if part is None or part is self._counters.counted or "all" not in part.windows:
            return None
        return self._counters.propose_part(part, labeller)
