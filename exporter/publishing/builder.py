"""The builder: from parts, labels and counters to the snapshot that one scrape shows."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from exporter import views
from exporter.config import LEDGERS, Config, LedgerName
from exporter.holding import Holding, LedgerHealth, Parts
from exporter.labelling.labels import Folds, Labels
from exporter.publishing import figures
from exporter.publishing.costliest import Costliest
from exporter.publishing.counters import LABELS as COUNTER_LABELS
from exporter.publishing.counters import Counters
from exporter.publishing.exposition import Exposition, Format
from exporter.publishing.snapshot import Reload, Settings, Snapshot
from exporter.sums import day_of

Healths = Mapping[LedgerName, LedgerHealth]


@dataclass(frozen=True)
class Published:
    """What scrapes and the landing page see: a snapshot and its exposition."""

    snapshot: Snapshot
    exposition: Exposition

    def restated(self, reload: Reload, ahead: Iterable[Format]) -> Published:
        """Return the same with another outcome of loading the configuration, rendered in the formats given."""
        snapshot = replace(self.snapshot, reload=reload)
        return Published(snapshot, Exposition(views.families(snapshot), ahead))


class Builder:
    """Makes snapshots under one configuration."""

    def __init__(self, config: Config) -> None:
        self.settings = Settings.of(config)
        self._config = config
        self._costliest = Costliest(config.costly.top)

    def blank(self, health: Healths, reload: Reload) -> Snapshot:
        """Return a snapshot without any figures."""
        return Snapshot(self.settings, health, Folds.none(), reload=reload)

    def build(self, parts: Parts, labels: Labels, counters: Counters, holding: Holding, reload: Reload) -> Snapshot:
        """Return the snapshot of all that is known."""
        labeller = labels.labeller
        cost = impact = budget = None
        if parts.cost is not None:
            windows = parts.windows(parts.cost)
            cost = figures.cost_figures(parts.cost, windows, labeller, self._costliest, counters.values)
        if parts.impact is not None:
            impact = figures.impact_figures(parts.impact, parts.windows(parts.impact), labeller, self._config)
        if parts.budget is not None:
            budget = figures.budget_figures(parts.budget, parts.windows(parts.budget), labeller)
        return Snapshot(
            settings=self.settings,
            health=holding.health,
            folds=labels.folds,
            instant=holding.instant,
            cost=cost,
            impact=impact,
            budget=budget,
            quest_ids=labels.quest_ids,
            folded={**labels.folded, ",".join(COUNTER_LABELS): counters.folded},
            reload=reload,
        )

    def hold(self, last: Snapshot, health: Healths, reload: Reload, now: datetime) -> Snapshot:
        """Return the last snapshot with this health, where none could be made; without figures that are too old.

        A ranking may have been added up half: it is begun anew.
        """
        self._costliest = Costliest(self._config.costly.top)
        known = [found for found in map(last.figures, LEDGERS) if found is not None]
        is_of_today = all(found.today == day_of(now) for found in known)
        if is_of_today and now.timestamp() - (last.instant or 0) <= self.settings.max_age_seconds:
            return replace(last, health=health, reload=reload)
        return replace(self.blank(health, reload), instant=last.instant)
