"""The impact ledger: what came of each task, at what cost, and what was wasted."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any

from exporter.config import ImpactLedger, WasteConfig
from exporter.ledgers.ledger import Ledger
from exporter.ledgers.source import Dialogue, Question, Result, Transaction, compose
from exporter.ledgers.span import Span
from exporter.names.text import clean
from exporter.parts import (
    RECENT_DAYS,
    WINDOWS,
    ZERO,
    ImpactPart,
    Key,
    Outcomes,
    Part,
    Table,
    TaskOutcome,
    Waste,
    ranked,
)
from exporter.parts.days import MICROSECONDS_A_DAY
from exporter.parts.ranges import RangePart, add_sums, up_to
from exporter.parts.settled import Settled


class Impact(Ledger[ImpactLedger]):
    """The impact ledger, range by range."""

    name = "impact"
    reasons = ("instant", "cost", "impact")

    def __init__(self, mapping: ImpactLedger, waste: WasteConfig, best: int) -> None:
        """`best` is the length of the ranking by efficiency."""
        super().__init__(mapping)
        self._waste = waste
        self._best = best

    @property
    def rankings(self) -> Mapping[str, int]:
        """Return the lengths of the ledger's rankings."""
        return {"best": self._best, "wasted": self._waste.top}

    @property
    def has_updates(self) -> bool:
        """Tell whether rows say when they were updated."""
        return bool(self.mapping.has("updated_at"))

    def read(self, where: Span, question: Question) -> Dialogue[RangePart]:
        """Read a range; what may be ranked is asked for where it is of the last 30 days."""
        parameters = {
            **question.parameters,
            **where.parameters,
            "min_tokens": self._waste.min_tokens,
            "max_impact": self._waste.max_impact,
        }
        queries = [self.ask("groups", self.within(), parameters)]
        top, candidates = 1, []
        if where.end > (question.today - RECENT_DAYS + 1) * MICROSECONDS_A_DAY:
            queries.append(self.ask("ranked", self.within(), parameters | self._lengths(top)))
        groups, *rankings = yield queries
        candidates = [_task_outcome(row) for row in rankings[0]] if rankings else []
        while self._may_lack(candidates, top):
            top *= 10
            (rows,) = yield [self.ask("ranked", self.within(), parameters | self._lengths(top))]
            candidates = [_task_outcome(row) for row in rows]
        return self._part(groups, candidates)

    def _lengths(self, times: int) -> dict[str, int]:
        return {f"top_{ranking}": length * times for ranking, length in self.rankings.items()}

    def _may_lack(self, candidates: list[TaskOutcome], times: int) -> bool:
        """Tell whether tasks that are one by their labels have taken places in what was asked for."""
        for ranking, length in self.rankings.items():
            outcomes = [outcome for outcome in candidates if bool(outcome.reason) == (ranking == "wasted")]
            tasks, labels = {outcome.task for outcome in outcomes}, {outcome.label for outcome in outcomes}
            if len(tasks) >= length * times and len(labels) < length:
                return True
        return False

    def _part(self, groups: Result, candidates: list[TaskOutcome]) -> RangePart:
        outcomes: dict[tuple[Key, int], Outcomes] = {}
        waste: dict[tuple[Key, int], Waste] = {}
        rejected = dict.fromkeys(self.reasons, 0)
        read = 0
        oldests, newests, pendings = [], [], []
        for (
            day,
            quest,
            layer,
            has_cost,
            score_accepted,
            pending,
            reason,
            count,
            impact,
            usd,
            tokens,
            oldest,
            newest,
        ) in groups:
            read += count
            oldests.append(oldest)
            if not has_cost or not score_accepted:
                rejected["cost" if not has_cost else "impact"] += count
                continue
            sums = Outcomes(ZERO, ZERO, 0, usd, count) if pending else Outcomes(impact or ZERO, usd, count)
            add_sums(outcomes, ((quest, layer), day), sums)
            if reason is not None:
                add_sums(waste, ((quest, layer, reason), day), Waste(usd, int(tokens), count))
            if pending:
                pendings.append(oldest)
            if newest is not None:
                newests.append(newest)
        return RangePart(
            rows=read,
            rejected=rejected,
            oldest=min(oldests, default=None),
            newest=max(newests, default=None),
            tables={
                "outcomes": [(key, day, sums) for (key, day), sums in outcomes.items()],
                "waste": [(key, day, sums) for (key, day), sums in waste.items()],
            },
            best=ranked((outcome for outcome in candidates if not outcome.reason), self._best),
            wasted=ranked((outcome for outcome in candidates if outcome.reason), self._waste.top),
            oldest_pending=min(pendings, default=None),
        )

    def whole(
        self, question: Question, base: Part, settled: Settled, parts: Iterable[RangePart], newest: RangePart
    ) -> ImpactPart:
        """Return what is known of the ledger."""
        parts = list(parts)
        today = question.today
        return ImpactPart(
            **vars(base),
            outcomes=Table.of(("quest", "layer"), today, Outcomes(), up_to(today, newest.tables["outcomes"])).over(
                settled.table("outcomes")
            ),
            waste=Table.of(("quest", "layer", "reason"), today, Waste(), up_to(today, newest.tables["waste"])).over(
                settled.table("waste")
            ),
            best=settled.ranking("best", parts) + newest.best,
            wasted=settled.ranking("wasted", parts) + newest.wasted,
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
