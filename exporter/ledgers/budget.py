"""The budget ledger: what each quest may spend a day, and what it is called."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from typing import Any

from exporter.config import BudgetLedger
from exporter.ledgers.ledger import Ledger
from exporter.ledgers.source import Dialogue, Question, Transaction, compose
from exporter.ledgers.span import Span
from exporter.parts import EXACT, WINDOWS, ZERO, Allocation, BudgetPart, Key, Part, Table, day_seconds
from exporter.parts.days import MICROSECONDS_A_DAY
from exporter.parts.ranges import RangePart, up_to
from exporter.parts.settled import Settled
from exporter.parts.whole import newest_names


class Budget(Ledger[BudgetLedger]):
    """The budget ledger, range by range. Its instants are days; it has few rows a day, so a range may be of many."""

    name = "budget"
    reasons = ("instant", "allocation")
    instant = "calendar_day"
    has_ids = False
    split_at_midnight = False
    newest_rows = 200

    def read(self, where: Span, question: Question) -> Dialogue[RangePart]:
        """Read a range."""
        (rows,) = yield [self.ask("days", self.within(), {**question.parameters, **where.parameters})]
        allocations: list[tuple[Key, int, Allocation]] = []
        names: dict[str, tuple[int, frozenset[str]]] = {}
        read = rejected = 0
        days, accepted_days = [], []
        for day, quest, count, accepted, usd, recorded_usd, recorded, booked in rows:
            read += count
            rejected += count - accepted
            days.append(day)
            if accepted:
                allocations.append(((quest,), day, Allocation(usd, recorded_usd, accepted, recorded)))
                if day <= question.today:
                    accepted_days.append(day)
                    if quest is not None:
                        names = newest_names(names, {quest: (day, frozenset(booked or ()))})
        newest_day = max(accepted_days, default=None)
        current: dict[str | None, Decimal] = {}
        for (quest,), day, allocation in allocations:
            if day == newest_day:
                current[quest] = EXACT.add(current.get(quest, ZERO), allocation.usd)
        return RangePart(
            rows=read,
            rejected={"instant": 0, "allocation": rejected},
            oldest=min((day * MICROSECONDS_A_DAY for day in days), default=None),
            newest=None if newest_day is None else newest_day * MICROSECONDS_A_DAY,
            tables={"allocations": allocations},
            names=names,
            current=current,
        )

    def whole(
        self, question: Question, base: Part, settled: Settled, parts: Iterable[RangePart], newest: RangePart
    ) -> BudgetPart:
        """Return what is known of the ledger."""
        today = question.today
        rows = up_to(today, newest.tables["allocations"])
        table = Table.of(("quest",), today, Allocation(), rows).over(settled.table("allocations"))
        parts = [*parts, newest]
        latest = next((part for part in reversed(parts) if part.newest is not None), None)
        return BudgetPart(
            **vars(base),
            allocations=table,
            newest_day=None if latest is None or latest.newest is None else latest.newest // MICROSECONDS_A_DAY,
            current={} if latest is None else latest.current,
            names=newest_names(settled.names(parts[:-1]), newest.names),
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
