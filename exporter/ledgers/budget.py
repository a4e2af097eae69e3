"""The budget ledger: what each quest may spend a day, and what it is called."""

from __future__ import annotations

from typing import Any

from exporter.config import BudgetLedger
from exporter.ledgers.source import Question, Transaction, compose
from exporter.parts import Allocation, BudgetPart, Table, day_seconds


def read(transaction: Transaction, ledger: BudgetLedger, question: Question) -> BudgetPart:
    """Read the whole budget ledger of a source in the transaction's snapshot.

    Raises:
        SourceError: the database refused a query or broke off.
    """

    def ask(name: str) -> list[tuple[Any, ...]]:
        query = compose(f"budget/{name}", "budget/rows", ledger.relation, ledger.expressions)
        return transaction.rows(query, question.parameters)

    ((rows, bad_instant, bad_allocation, newest_day),) = ask("state")
    names: dict[str, tuple[int, frozenset[str]]] = {}
    for quest, day, name in ask("names"):
        known = names[quest][1] if quest in names else frozenset()
        names[quest] = (day, known | ({name} if name is not None else set()))
    return BudgetPart(
        instant=question.now.timestamp(),
        today=question.today,
        rows=rows,
        rejected={"instant": bad_instant, "allocation": bad_allocation},
        newest=None if newest_day is None else day_seconds(newest_day) * 1_000_000,
        allocations=Table.of(
            ("quest",),
            question.today,
            Allocation(),
            (((quest,), day, Allocation(*sums)) for day, quest, *sums in ask("allocations")),
        ),
        newest_day=newest_day,
        current=dict(ask("current")),
        names=names,
    )
