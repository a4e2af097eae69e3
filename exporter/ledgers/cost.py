"""The cost ledger: what was charged, for which quest, by which provider and model, for which task."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from exporter.config import CostLedger
from exporter.databases.query import Result, compose
from exporter.databases.transaction import Transaction
from exporter.ledgers.ledger import Ledger
from exporter.ledgers.question import Question
from exporter.ledgers.span import Span
from exporter.names.families import Families
from exporter.sums import RECENT_DAYS, WINDOWS, CostPart, Key, Part, Spend, Table, TaskNumbers, Tasks, TaskSpend
from exporter.sums.charges import add_up_charges
from exporter.sums.days import MICROSECONDS_A_DAY
from exporter.sums.range_sums import CostSums, Rows, earliest, up_to
from exporter.sums.settled import CostSettled, Settled


class Cost(Ledger[CostLedger, CostSums, CostPart]):
    """The cost ledger."""

    name = "cost"
    reasons = ("instant", "cost")

    def __init__(self, mapping: CostLedger, families: Families, numbers: TaskNumbers) -> None:
        super().__init__(mapping)
        self._families = families
        self._numbers = numbers

    def _sums(self, rows: Result, where: Span, question: Question) -> CostSums:
        """Return what charges add up to; those of single tasks only where they may be of today or yesterday."""
        single_tasks = where.end > question.yesterday * MICROSECONDS_A_DAY
        return add_up_charges(
            rows,
            now=question.microseconds,
            single_tasks_from=question.yesterday if single_tasks else None,
            family=self._families.of,
            numbers=self._numbers,
        )

    def settled(self, today: int) -> CostSettled:
        """Return empty running totals over the settled ranges."""
        return CostSettled(today, self.reasons)

    def part(
        self, question: Question, base: Part, settled: Settled[CostSums], sums: Sequence[CostSums], newest: CostSums
    ) -> CostPart:
        """Return what is known of the ledger."""
        assert isinstance(settled, CostSettled)  # noqa: S101 - made by `settled`
        today = question.today
        has_tasks = self.mapping.has("task_id")
        return CostPart(
            **vars(base),
            spend=_over(settled.spend, newest.spend, today),
            refunds=_over(settled.refunds, newest.refunds, today),
            first_seen=earliest(settled.first_seen(sums), newest.first_seen),
            tasks=Tasks(today, newest.tasks).over(settled.tasks(sums)) if has_tasks else None,
            task_spend=_of_days(sums, question) if has_tasks else None,
            newest_task_spend=(newest.task_spend,) if has_tasks else (),
            has_tokens_out=self.mapping.has("tokens_out"),
        )


def _over(settled: Table[Spend], newest: Rows[Spend], today: int) -> Table[Spend]:
    return Table.of(settled.labels, today, Spend(), up_to(today, newest)).over(settled)


def _of_days(ranges: Sequence[CostSums], question: Question) -> tuple[TaskSpend, ...]:
    """Return what tasks were charged in the ranges of today and yesterday."""
    found: list[TaskSpend] = []
    for sums in reversed(ranges):
        if sums.oldest is not None and sums.oldest < question.yesterday * MICROSECONDS_A_DAY:
            break
        if sums.task_spend:
            found.append(sums.task_spend)
    return tuple(found)


def read_whole(
    transaction: Transaction, ledger: CostLedger, question: Question, families: Families, numbers: TaskNumbers
) -> CostPart:
    """Read the whole cost ledger of a source in the transaction's snapshot: what every other way to know it must equal.

    Raises:
        SourceError: the database refused a query or broke off.
    """

    def ask(name: str) -> list[tuple[Any, ...]]:
        query = compose(f"cost/{name}", "cost/rows", ledger.relation, ledger.expressions)
        return transaction.rows(query, question.parameters)

    ((_, bad_instant, bad_cost, newest),) = ask("state")
    spend: list[tuple[Key, int, Spend]] = []
    refunds: list[tuple[Key, int, Spend]] = []
    first_seen: dict[Key, int] = {}
    for day, provider, model, quest, *sums in ask("spend"):
        key = (families.of(provider), model, quest)
        spend.append((key, day, _spend(*sums[:4])))
        if sums[7]:
            refunds.append((key, day, _spend(*sums[4:8])))
        first_seen[key[:2]] = min(sums[8], first_seen.get(key[:2], sums[8]))
    return CostPart(
        instant=question.now.timestamp(),
        today=question.today,
        windows=WINDOWS,
        rejected={"instant": bad_instant, "cost": bad_cost},
        newest=newest,
        spend=Table.of(("provider", "model", "quest"), question.today, Spend(), spend),
        refunds=Table.of(("provider", "model", "quest"), question.today, Spend(), refunds),
        first_seen=first_seen,
        tasks=_task_sets(ask("tasks"), question, families, numbers) if ledger.has("task_id") else None,
        task_spend=({(task, quest): _spend(*sums) for task, quest, *sums in ask("recent_tasks")},)
        if ledger.has("task_id")
        else None,
        newest_task_spend=(),
        has_tokens_out=ledger.has("tokens_out"),
    )


def _task_sets(rows: Result, question: Question, families: Families, numbers: TaskNumbers) -> Tasks:
    """Return the sets of tasks from (provider, task, days), bit n of days standing for n days ago, the last for all before."""
    tasks: dict[tuple[str, int], list[str]] = {}
    for provider, task, days in rows:
        for age in range(RECENT_DAYS + 1):
            if days >> age & 1:
                tasks.setdefault((families.of(provider), question.today - age), []).append(task)
    return Tasks(question.today, {key: numbers.of(names) for key, names in tasks.items()})


def _spend(usd: Any, tokens_in: Any, tokens_out: Any, charges: Any) -> Spend:  # noqa: ANN401 - as the driver gives them
    return Spend(usd, int(tokens_in), int(tokens_out), int(charges))
