"""The ledgers of one source: what their rows mean, and how each is read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Protocol

from exporter.config import BudgetLedger, Config, CostLedger, EfficiencyConfig, ImpactLedger, LedgerName, WasteConfig
from exporter.databases.postgresql import Source
from exporter.databases.transaction import Transaction
from exporter.ledgers import budget, cost, impact
from exporter.ledgers.question import Question
from exporter.names.families import Families, Pattern
from exporter.reading.ledger_reader import LedgerReader
from exporter.reading.tuning import Tuning
from exporter.sums import BudgetPart, CostPart, ImpactPart, TaskNumbers

Place = Mapping[str, object]
Expressions = Mapping[str, str]


class Rows(Protocol):
    """The rows of a ledger in a source. Those that are equal mean the same, so a reader of one may read the other."""

    def reader(self, numbers: TaskNumbers, tuning: Tuning) -> LedgerReader:
        """Return a new reader of them."""

    def whole(
        self, transaction: Transaction, question: Question, numbers: TaskNumbers
    ) -> CostPart | ImpactPart | BudgetPart:
        """Read them all.

        Raises:
            SourceError: the database refused a query or broke off.
        """


@dataclass(frozen=True)
class CostRows:
    """The rows of the cost ledger."""

    place: Place
    relation: str
    expressions: Expressions
    providers: Sequence[Pattern]
    mapping: CostLedger = field(compare=False)

    @cached_property
    def families(self) -> Families:
        """Return the families of providers."""
        return Families(self.providers)

    def reader(self, numbers: TaskNumbers, tuning: Tuning) -> LedgerReader:
        """Return a new reader of them."""
        return LedgerReader(cost.Cost(self.mapping, self.families, numbers), tuning)

    def whole(self, transaction: Transaction, question: Question, numbers: TaskNumbers) -> CostPart:
        """Read them all."""
        return cost.read_whole(transaction, self.mapping, question, self.families, numbers)


@dataclass(frozen=True)
class ImpactRows:
    """The rows of the impact ledger."""

    place: Place
    relation: str
    expressions: Expressions
    waste: WasteConfig
    efficiency: EfficiencyConfig
    mapping: ImpactLedger = field(compare=False)

    def reader(self, _numbers: TaskNumbers, tuning: Tuning) -> LedgerReader:
        """Return a new reader of them."""
        return LedgerReader(impact.Impact(self.mapping, self.waste, self.efficiency.top), tuning)

    def whole(self, transaction: Transaction, question: Question, _numbers: TaskNumbers) -> ImpactPart:
        """Read them all."""
        return impact.read_whole(transaction, self.mapping, question, self.waste)


@dataclass(frozen=True)
class BudgetRows:
    """The rows of the budget ledger."""

    place: Place
    relation: str
    expressions: Expressions
    mapping: BudgetLedger = field(compare=False)

    def reader(self, _numbers: TaskNumbers, tuning: Tuning) -> LedgerReader:
        """Return a new reader of them."""
        return LedgerReader(budget.Budget(self.mapping), tuning)

    def whole(self, transaction: Transaction, question: Question, _numbers: TaskNumbers) -> BudgetPart:
        """Read them all."""
        return budget.read_whole(transaction, self.mapping, question)


def rows_of(config: Config, name: str, source: Source) -> dict[LedgerName, Rows]:
    """Return the ledgers that stand, wholly or in part, in a source of that name."""
    ledgers, place = config.ledgers, source.place
    every: dict[LedgerName, Rows] = {
        "cost": CostRows(place, ledgers.cost.relation, ledgers.cost.expressions, tuple(config.providers), ledgers.cost),
        "impact": ImpactRows(
            place, ledgers.impact.relation, ledgers.impact.expressions, config.waste, config.efficiency, ledgers.impact
        ),
        "budget": BudgetRows(place, ledgers.budget.relation, ledgers.budget.expressions, ledgers.budget),
    }
    return {ledger: every[ledger] for ledger in config.ledgers_of(name)}
