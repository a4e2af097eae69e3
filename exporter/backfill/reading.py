"""The bookings of each ledger in order of steps, whatever sources they are spread over."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from heapq import merge
from operator import attrgetter

from exporter.config import Config
from exporter.databases.postgresql import Source
from exporter.ledgers.budget import Budget
from exporter.ledgers.cost import Cost
from exporter.ledgers.history import (
    Allocated,
    Bookings,
    BudgetHistory,
    Charged,
    CostHistory,
    Ended,
    ImpactHistory,
    Steps,
)
from exporter.ledgers.impact import Impact
from exporter.names.families import Families
from exporter.parts import TaskNumbers

_STEP = attrgetter("step")


def charged(config: Config, sources: Mapping[str, Source], steps: Steps) -> Iterator[Charged]:
    """Return the charges of the cost ledger."""
    mapping, families = config.ledgers.cost, Families(config.providers)
    history = CostHistory(Cost(mapping, families, TaskNumbers()), steps, families)
    return merge(*(Bookings(sources[name], history, steps) for name in mapping.source_names), key=_STEP)


def ended(config: Config, sources: Mapping[str, Source], steps: Steps) -> Iterator[Ended]:
    """Return the outcomes of the impact ledger."""
    mapping, efficiency = config.ledgers.impact, config.efficiency
    ledger = Impact(mapping, config.waste, efficiency.top)
    history = ImpactHistory(ledger, steps, efficiency.grace)
    return merge(*(Bookings(sources[name], history, steps) for name in mapping.source_names), key=_STEP)


def allocated(config: Config, sources: Mapping[str, Source], steps: Steps) -> Iterator[Allocated]:
    """Return the allocations of the budget ledger."""
    mapping = config.ledgers.budget
    history = BudgetHistory(Budget(mapping), steps)
    return merge(*(Bookings(sources[name], history, steps) for name in mapping.source_names), key=_STEP)
