"""The cost ledger: what was charged, for which quest, by which provider and model, for which task."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from exporter.config import CostLedger
from exporter.ledgers.ledger import Ledger
from exporter.ledgers.source import Dialogue, Question, Result, Transaction, compose
from exporter.ledgers.span import Span
from exporter.names.families import Families
from exporter.parts import RECENT_DAYS, WINDOWS, CostPart, Key, Part, Spend, Table, TaskNumbers, Tasks, TaskSpend
from exporter.parts.days import MICROSECONDS_A_DAY
from exporter.parts.ranges import RangePart, add_sums, up_to
from exporter.parts.settled import Settled


class Cost(Ledger[CostLedger]):
    """The cost ledger, range by range."""

    name = "cost"
    reasons = ("instant", "cost")

    def __init__(self, mapping: CostLedger, families: Families, numbers: TaskNumbers) -> None:
        super().__init__(mapping)
        self._families = families
        self._numbers = numbers

    def read(self, where: Span, question: Question) -> Dialogue[RangePart]:
        """Read a range. What each task was charged is asked for only where it is of today or yesterday."""
        single_tasks = where.end > question.yesterday * MICROSECONDS_A_DAY
        parameters = {**question.parameters, **where.parameters, "day": (where.end - 1) // MICROSECONDS_A_DAY}
        (rows,) = yield [self.ask("charges" if single_tasks else "block", self.within(), parameters)]
        return self._part(rows, question, single_tasks=single_tasks)

    def _part(self, rows: Result, question: Question, *, single_tasks: bool) -> RangePart:
        family, number = self._families.of, self._numbers.of
        spend: dict[tuple[Key, int], Spend] = {}
        refunds: dict[tuple[Key, int], Spend] = {}
        first_seen: dict[Key, int] = {}
        tasks: dict[tuple[str, int], list[str]] = {}
        task_spend: dict[tuple[str, str | None], Spend] = {}
        read = rejected = 0
        oldests: list[int] = []
        newests: list[int] = []
        for day, booked, model, quest, task, refund, charges, usd, tokens_in, tokens_out, oldest, newest in rows:
            read += charges
            oldests.append(oldest)
            if usd is None:
                rejected += charges
                continue
            provider = family(booked)
            key, sums = (provider, model, quest), Spend(usd, int(tokens_in), int(tokens_out), charges)
            add_sums(spend, (key, day), sums)
            if refund:
                add_sums(refunds, (key, day), sums)
            if day <= question.today:
                first_seen[key[:2]] = min(oldest, first_seen.get(key[:2], oldest))
            if newest is not None:
                newests.append(newest)
            if task is not None:
                tasks.setdefault((provider, day), []).extend([task] if single_tasks else task)
                if single_tasks and question.yesterday <= day <= question.today:
                    add_sums(task_spend, (task, quest), sums)
        return RangePart(
            rows=read,
            rejected={"instant": 0, "cost": rejected},
            oldest=min(oldests, default=None),
            newest=max(newests, default=None),
            tables={
                "spend": [(key, day, sums) for (key, day), sums in spend.items()],
                "refunds": [(key, day, sums) for (key, day), sums in refunds.items()],
            },
            first_seen=first_seen,
            tasks={key: number(names) for key, names in tasks.items()},
            task_spend=task_spend,
        )

    def whole(
        self, question: Question, base: Part, settled: Settled, parts: Iterable[RangePart], newest: RangePart
    ) -> CostPart:
        """Return what is known of the ledger."""
        parts = list(parts)
        today = question.today
        has_tasks = self.mapping.has("task_id")
        tables = {
            name: Table.of(("provider", "model", "quest"), today, Spend(), up_to(today, newest.tables[name])).over(
                settled.table(name)
            )
            for name in ("spend", "refunds")
        }
        first_seen = dict(settled.first_seen(parts))
        for seen, instant in newest.first_seen.items():
            first_seen[seen] = min(instant, first_seen.get(seen, instant))
        return CostPart(
            **vars(base),
            spend=tables["spend"],
            refunds=tables["refunds"],
            first_seen=first_seen,
            tasks=Tasks(today, newest.tasks).over(settled.tasks(parts)) if has_tasks else None,
            task_spend=_of_days(parts, question) if has_tasks else None,
            newest_task_spend=(newest.task_spend,) if has_tasks else (),
            has_tokens_out=self.mapping.has("tokens_out"),
        )


def _of_days(parts: Sequence[RangePart], question: Question) -> tuple[TaskSpend, ...]:
    """Return what tasks were charged in the ranges of today and yesterday."""
    found: list[TaskSpend] = []
    for part in reversed(parts):
        if part.oldest is not None and part.oldest < question.yesterday * MICROSECONDS_A_DAY:
            break
        if part.task_spend:
            found.append(part.task_spend)
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
