"""The impact ledger: what came of each task, at what cost, and what was wasted."""

from __future__ import annotations

from typing import Any

from exporter.config import ImpactLedger, WasteConfig
from exporter.ledgers.source import Question, Transaction, compose
from exporter.parts import ImpactPart, Outcomes, Table, TaskOutcome, Waste


def read(transaction: Transaction, ledger: ImpactLedger, question: Question, waste: WasteConfig) -> ImpactPart:
    """Read the whole impact ledger of a source in the transaction's snapshot.

    Raises:
        SourceError: the database refused a query or broke off.
    """
    parameters = {**question.parameters, "min_tokens": waste.min_tokens, "max_impact": waste.max_impact}

    def ask(name: str) -> list[tuple[Any, ...]]:
        query = compose(f"impact/{name}", "impact/rows", ledger.relation, ledger.expressions)
        return transaction.rows(query, parameters)

    ((rows, bad_instant, bad_cost, bad_impact, newest),) = ask("state")
    return ImpactPart(
        instant=question.now.timestamp(),
        today=question.today,
        rows=rows,
        rejected={"instant": bad_instant, "cost": bad_cost, "impact": bad_impact},
        newest=newest,
        outcomes=Table.of(
            ("quest", "layer"),
            question.today,
            Outcomes(),
            (((quest, layer), day, Outcomes(*sums)) for day, quest, layer, *sums in ask("outcomes")),
        ),
        waste=Table.of(
            ("quest", "layer", "reason"),
            question.today,
            Waste(),
            (
                ((quest, layer, reason), day, Waste(usd, int(tokens), outcomes))
                for day, quest, layer, reason, usd, tokens, outcomes in ask("waste")
            ),
        ),
        best=tuple(TaskOutcome(*row) for row in ask("best")),
        wasted=tuple(TaskOutcome(*row) for row in ask("wasted")),
    )
