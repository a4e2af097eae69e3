"""The budget ledger: what each quest may spend a day, and what it is called."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from exporter.config import BudgetLedger
from exporter.databases.query import Result, compose
from exporter.databases.transaction import Transaction
from exporter.ledgers.ledger import Ledger
from exporter.ledgers.question import Question
from exporter.ledgers.span import Span
from exporter.sums import WINDOWS, Allocation, BudgetPart, Part, Table, day_seconds
from exporter.sums.allocations import add_up_allocations
from exporter.sums.days import MICROSECONDS_A_DAY
from exporter.sums.range_sums import BudgetSums, up_to
from exporter.sums.settled import BudgetSettled, Settled
from exporter.sums.whole import newest_names


class Budget(Ledger[BudgetLedger, BudgetSums, BudgetPart]):
    """The budget ledger. Its instants are days; it has few rows a day, so a range may be of many."""

    name = "budget"
    reasons = ("instant", "allocation")
    instant = "calendar_day"
    has_ids = False
    split_at_midnight = False

    def _sums(self, rows: Result, where: Span, question: Question) -> BudgetSums:  # noqa: ARG002
        """Return what allocations add up to."""
        return add_up_allocations(rows, today=question.today)

    def settled(self, today: int) -> BudgetSettled:
        """Return empty running totals over the settled ranges."""
        return BudgetSettled(today, self.reasons)

    def part(
        self,
        question: Question,
        base: Part,
        settled: Settled[BudgetSums],
        sums: Sequence[BudgetSums],
        newest: BudgetSums,
    ) -> BudgetPart:
        """Return what is known of the ledger."""
        assert isinstance(settled, BudgetSettled)  # noqa: S101 - made by `settled`
        today = question.today
        rows = up_to(today, newest.allocations)
        latest = next((each for each in (newest, *reversed(sums)) if each.newest is not None), None)
        return BudgetPart(
            **vars(base),
            allocations=Table.of(("quest",), today, Allocation(), rows).over(settled.allocations),
            newest_day=None if latest is None or latest.newest is None else latest.newest // MICROSECONDS_A_DAY,
            current={} if latest is None else latest.current,
            names=newest_names(settled.names(sums), newest.names),
        )


def read_whole(transaction: Transaction, ledger: BudgetLedger, question: Question) -> BudgetPart:
    """Read the whole budget ledger of a source in the transaction's snapshot: what every other way to know it must equal.

    Raises:
        SourceError: the database refused a query or broke off.
    """

    def ask(name: str) -> list[tuple[Any, ...]]:
        query = compose(f"budget/{name}", "budget/rows", ledger.relation, ledger.expressions)
        return transaction.rows(query, question.parameters)

    ((_, bad_instant, bad_allocation, newest_day),) = ask("state")
    names: dict[str, tuple[int, frozenset[str]]] = {}
    for quest, day, name in ask("names"):
        known = names[quest][1] if quest in names else frozenset()
        names[quest] = (day, known | ({name} if name is not None else set()))
    return BudgetPart(
        instant=question.now.timestamp(),
        today=question.today,
        windows=WINDOWS,
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
