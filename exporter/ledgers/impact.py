"""The impact ledger: what came of each task, at what cost, and what was wasted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from exporter.config import ImpactLedger, WasteConfig
from exporter.databases.query import Result, compose
from exporter.databases.transaction import Transaction
from exporter.ledgers.ledger import Ledger
from exporter.ledgers.question import Question
from exporter.ledgers.span import Span
from exporter.names.text import clean
from exporter.sums import WINDOWS, ImpactPart, Outcomes, Part, Table, TaskOutcome, Waste
from exporter.sums.outcomes import Judgement, add_up_outcomes
from exporter.sums.range_sums import ImpactSums, up_to
from exporter.sums.settled import ImpactSettled, Settled


class Impact(Ledger[ImpactLedger, ImpactSums, ImpactPart]):
    """The impact ledger."""

    name = "impact"
    reasons = ("instant", "cost", "impact")

    def __init__(self, mapping: ImpactLedger, waste: WasteConfig, best: int) -> None:
        """`best` is the length of the ranking by efficiency."""
        super().__init__(mapping)
        self.judgement = Judgement(waste.min_tokens, waste.max_impact, best, waste.top, clean)

    @property
    def has_updates(self) -> bool:
        """Tell whether rows say when they were updated."""
        return bool(self.mapping.has("updated_at"))

    def row_parameters(self, where: Span, question: Question) -> Mapping[str, object]:
        """Return further parameters of the question for rows: whether their titles may be shown."""
        return {"titled": where.end > question.recent_start}

    def is_pending(self, row: tuple[Any, ...], question: Question) -> bool:
        """Tell whether a row has no score yet, and is young enough to wait for one."""
        _, at, *_, score, _ = row
        return score is None and bool(at > question.settled_before)

    def _sums(self, rows: Result, where: Span, question: Question) -> ImpactSums:  # noqa: ARG002
        """Return what outcomes add up to."""
        return add_up_outcomes(
            rows,
            now=question.microseconds,
            settled_before=question.settled_before,
            ranked_from=question.recent_start,
            judgement=self.judgement,
        )

    def settled(self, today: int) -> ImpactSettled:
        """Return empty running totals over the settled ranges."""
        return ImpactSettled(today, self.reasons, self.judgement.best, self.judgement.wasted)

    def part(
        self,
        question: Question,
        base: Part,
        settled: Settled[ImpactSums],
        sums: Sequence[ImpactSums],
        newest: ImpactSums,
    ) -> ImpactPart:
        """Return what is known of the ledger."""
        assert isinstance(settled, ImpactSettled)  # noqa: S101 - made by `settled`
        today = question.today
        outcomes = Table.of(settled.outcomes.labels, today, Outcomes(), up_to(today, newest.outcomes))
        waste = Table.of(settled.waste.labels, today, Waste(), up_to(today, newest.waste))
        return ImpactPart(
            **vars(base),
            outcomes=outcomes.over(settled.outcomes),
            waste=waste.over(settled.waste),
            best=settled.best(sums) + newest.best,
            wasted=settled.wasted(sums) + newest.wasted,
        )


def read_whole(transaction: Transaction, ledger: ImpactLedger, question: Question, waste: WasteConfig) -> ImpactPart:
    """Read the whole impact ledger of a source in the transaction's snapshot: what every other way to know it must equal.

    Raises:
        SourceError: the database refused a query or broke off.
    """
    parameters = {**question.parameters, "min_tokens": waste.min_tokens, "max_impact": waste.max_impact}

    def ask(name: str) -> list[tuple[Any, ...]]:
        query = compose(f"impact/{name}", "impact/rows", ledger.relation, ledger.expressions)
        return transaction.rows(query, parameters)

    ((_, bad_instant, bad_cost, bad_impact, newest),) = ask("state")
    return ImpactPart(
        instant=question.now.timestamp(),
        today=question.today,
        windows=WINDOWS,
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
        best=tuple(map(_task_outcome, ask("best"))),
        wasted=tuple(map(_task_outcome, ask("wasted"))),
    )


def _task_outcome(row: tuple[Any, ...]) -> TaskOutcome:
    task, title, quest, layer, impact, usd, tokens, instant, reason = row
    scored = None if impact is None else Decimal(impact)
    return TaskOutcome(task, clean(task), title, quest, layer, scored, usd, tokens, instant, reason)
