"""What would have been published at each step, made and labelled as what is published now."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from exporter import views
from exporter.backfill.history import History
from exporter.backfill.period import Steps
from exporter.config import Config, LedgerName
from exporter.databases.postgresql import Source
from exporter.holding import Holding
from exporter.labelling.policy import LabelPolicy
from exporter.ledgers.question import Question
from exporter.publishing.counters import Counters
from exporter.publishing.maker import SnapshotMaker
from exporter.publishing.snapshot import Reload
from exporter.reading.ledgers import rows_of
from exporter.reading.reading import Reading
from exporter.reading.tuning import Tuning
from exporter.sums import TaskNumbers
from exporter.views import allocation, efficiency, health, providers, thresholds, utilization, waste
from exporter.views.metric import Family, Metric

METRICS: tuple[Metric, ...] = (
    *allocation.METRICS,
    utilization.SPEND,
    utilization.RECORDED,
    *providers.METRICS,
    efficiency.IMPACT,
    efficiency.COST,
    efficiency.OUTCOMES,
    efficiency.PENDING_COST,
    efficiency.PENDING,
    efficiency.QUEST_RATIO,
    efficiency.LAYER_RATIO,
    waste.USD,
    waste.TOKENS,
    waste.OUTCOMES,
    waste.MIN_TOKENS,
    waste.MAX_IMPACT,
    health.UP,
    health.SNAPSHOT,
    health.LAST_SUCCESS,
    health.PROGRESS,
    health.NEWEST_ROW,
    health.FOLDED,
    *thresholds.METRICS,
)
"""What is told of the past: not the rankings and days, nor what only a running exporter could know of itself."""

_TOLD = frozenset(METRICS)


class Past:
    """Goes through the steps in order, each a refresh whose ledgers end at its instant. No step is asked for twice."""

    def __init__(self, config: Config, sources: Mapping[str, Source], steps: Steps) -> None:
        """Begin to read.

        Raises:
            SourceError: a ledger cannot be read.
        """
        holding, policy, counters = Holding(config), LabelPolicy(config.limits), Counters(config.limits.combinations)
        self._steps = steps
        self._grace = config.efficiency.grace
        self._holding = holding
        self._maker = SnapshotMaker(config, holding, policy, counters)
        self._reload = Reload()
        self._histories = self._begun(config, sources)

    def step(self, number: int) -> list[Family]:
        """Go to a step and return what would have been scraped then, as far as that is told.

        Raises:
            SourceError: a ledger cannot be read.
        """
        snapshot = self._maker.make(self._go_to(number), self._reload)
        return [family for family in views.families(snapshot) if family.metric in _TOLD]

    def skip(self, number: int) -> None:
        """Go to a step of which nothing is to be told: only what later steps depend on is done.

        Raises:
            SourceError: a ledger cannot be read.
        """
        self._maker.decide(self._go_to(number), self._reload)

    def _go_to(self, number: int) -> datetime:
        """Take the ledgers as they were at a step; return its instant."""
        question = self._question(number)
        readings = [
            Reading(ledger, source, 0.0, part=history.part(question), progress=1.0)
            for (ledger, source), history in self._histories.items()
        ]
        self._holding.take(readings, question.now)
        return question.now

    def _question(self, number: int) -> Question:
        return Question(datetime.fromtimestamp(self._steps.instant(number), UTC), self._grace)

    def _begun(self, config: Config, sources: Mapping[str, Source]) -> dict[tuple[LedgerName, str], History[Any]]:
        """Return the history of each ledger of each source; what is after the last step is not read."""
        numbers, tuning = TaskNumbers(), Tuning()
        begin, last = self._question(0), self._question(self._steps.count - 1)
        return {
            (ledger, name): History(source, rows.reader(numbers, tuning).ledger, begin, last)
            for name, source in sources.items()
            for ledger, rows in rows_of(config, name, source).items()
        }
