"""What the incremental refresh asks of any ledger; what is particular to one stands in its own module."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Generic, TypeVar

from exporter.config import BudgetLedger, CostLedger, ImpactLedger, LedgerName
from exporter.ledgers import span
from exporter.ledgers.source import Dialogue, Query, Question, Result, compose, sql_file
from exporter.ledgers.span import Span
from exporter.parts import Part
from exporter.parts.ranges import RangePart
from exporter.parts.settled import Settled

_IDENTITY = (
    "concat_ws(' ', pg_postmaster_start_time(), pg_is_in_recovery(),"
    " to_regclass(%(relation)s)::oid, pg_relation_filenode(to_regclass(%(relation)s)))"
)

_MANY_ROWS = 10_000
"""From so many rows on the planner's costs tell an index that leads somewhere from one that does not."""

C = TypeVar("C", CostLedger, ImpactLedger, BudgetLedger)


@dataclass(frozen=True)
class Abilities:
    """What a server and a relation can do for the incremental refresh.

    `indexed` and `updates_indexed` tell whether an index leads to the rows of an instant, and to those updated at one;
    `rows` is how many there are, as the planner believes. Without `plans` the server tells neither: indexes are taken to be
    there, and `rows` is 0.
    """

    identity: bool
    snapshots: bool
    ids: bool
    rows: int
    indexed: bool
    updates_indexed: bool
    plans: bool = True

    def judged(self, size: Mapping[str, Any], minute: Mapping[str, Any], *updated: Mapping[str, Any]) -> Abilities:
        """Return them by the plans to read everything, the rows of a minute, and those updated in one where rows say so."""
        return replace(
            self,
            rows=int(size["Plan Rows"]),
            indexed=uses_index(minute) and _is_cheap(minute, size),
            updates_indexed=any(uses_index(plan) for plan in updated),
        )


def _is_cheap(plan: Mapping[str, Any], whole: Mapping[str, Any]) -> bool:
    """Tell whether a minute is found for less than half of what reading everything costs, where that is much.

    An index that has the instant behind another column, as a partition's key has, is used and yet read from end to end.
    """
    return bool(whole["Plan Rows"] < _MANY_ROWS or plan["Total Cost"] < whole["Total Cost"] / 2)


def uses_index(plan: Mapping[str, Any]) -> bool:
    """Tell whether a plan finds its rows by an index, in every relation it reads."""
    kind = plan["Node Type"]
    if kind == "Seq Scan" or (
        kind in ("Index Scan", "Index Only Scan", "Bitmap Index Scan") and "Index Cond" not in plan
    ):
        return False
    return all(uses_index(child) for child in plan.get("Plans", ()))


class Ledger(ABC, Generic[C]):
    """A ledger as the configuration maps it: what can be asked of it, and what the answers mean."""

    name: ClassVar[LedgerName]
    reasons: ClassVar[tuple[str, ...]]
    instant: ClassVar[str] = "instant"
    has_ids: ClassVar[bool] = True
    split_at_midnight: ClassVar[bool] = True
    """Whether a range must lie within one day."""
    newest_rows: ClassVar[int] = 1_000
    """About how many rows are read at every refresh."""

    def __init__(self, mapping: C) -> None:
        self.mapping: C = mapping

    @property
    def rankings(self) -> Mapping[str, int]:
        """Return the lengths of the ledger's rankings."""
        return {}

    @property
    def has_updates(self) -> bool:
        """Tell whether rows say when they were updated."""
        return False

    @abstractmethod
    def read(self, where: Span, question: Question) -> Dialogue[RangePart]:
        """Read a range."""

    @abstractmethod
    def whole(
        self, question: Question, base: Part, settled: Settled, parts: Iterable[RangePart], newest: RangePart
    ) -> Part:
        """Return what is known of the ledger: `settled` of `parts`, and the newest rows over it."""

    def ask(self, name: str, condition: str, parameters: Mapping[str, object]) -> Query:
        """Return a question of the ledger's own, over the rows that meet a condition."""
        return Query(self._over(f"{self.name}/{name}", "rows", condition), parameters)

    def _ask(self, name: str, condition: str, parameters: Mapping[str, object]) -> Query:
        return Query(self._over(f"ranges/{name}", "instants", condition), parameters)

    def _over(self, name: str, columns: str, condition: str) -> str:
        """Return a question over all columns of the rows that meet a condition ("rows"), or over those that place them."""
        mapping: CostLedger | ImpactLedger | BudgetLedger = self.mapping
        return compose(name, f"{self.name}/{columns}", mapping.relation, mapping.expressions, condition)

    def within(self) -> str:
        """Return the condition that a row is in a span."""
        return span.within(self.instant)

    def cut(self, where: Span, size: int) -> Query:
        """Ask how many rows a range has, at most `size`, and the oldest of these newest ones."""
        return self._ask("cut", self.within(), {**where.parameters, "size": size})

    def ahead(self, where: Span, size: int) -> Query:
        """Ask how many rows a range has, at most `size`, and the newest of these oldest ones."""
        return self._ask("ahead", self.within(), {**where.parameters, "size": size})

    def newest(self, where: Span) -> Query:
        """Ask for the newest instant of a range."""
        return self._ask("newest", self.within(), where.parameters)

    def probe(self, question: Question) -> Dialogue[Abilities]:
        """Ask what the server and the relation can do."""
        (((plans, identity, snapshots, id_type),),) = yield [self._server()]
        able = Abilities(
            identity=identity,
            snapshots=snapshots,
            ids=id_type in ("bigint", "integer", "smallint"),
            rows=0,
            indexed=True,
            updates_indexed=self.has_updates,
            plans=plans,
        )
        if not plans:
            return able
        answers: list[Result] = yield self._plans(question)
        return able.judged(*(answer[0][0][0]["Plan"] for answer in (answers[0], *answers[2:-1])))

    def _server(self) -> Query:
        id_type = self._over("ranges/id_type", "instants", "true") if self.has_ids else "null::text"
        return Query(sql_file("ranges/probe").format(id_type=id_type), {})

    def _plans(self, question: Question) -> list[Query]:
        """Ask how rows would be found: all, those of a minute, and those updated in it.

        The minute looked for is the present one: of a relation in partitions any other may be in none.
        """
        now = int(question.now.timestamp() * 1_000_000)
        minute = Span(now, now + 60_000_000).parameters
        off, on = (Query(sql_file("ranges/no_seqscan"), {"setting": setting}) for setting in ("off", "on"))
        queries: list[Query] = [
            self._ask("size", "true", {}),
            off,
            self._ask("plan", self.within(), minute),
        ]
        if self.has_updates:
            updated = "updated >= %(start)s::timestamptz and updated < %(end)s::timestamptz"
            queries.append(self._ask("plan", updated, minute))
        return [*queries, on]

    def state(self, abilities: Abilities) -> Query:
        """Ask what tells whether the ledger is the one that was read before, and where it begins and ends."""
        mapping: CostLedger | ImpactLedger | BudgetLedger = self.mapping

        def mapped(condition: str) -> str:
            return self._over("ranges/rows", "instants", condition)

        text = sql_file("ranges/state").format(
            identity=_IDENTITY if abilities.identity else "''",
            xmin="pg_snapshot_xmin(pg_current_snapshot())::text::bigint" if abilities.snapshots else "null",
            xmax="pg_snapshot_xmax(pg_current_snapshot())::text::bigint" if abilities.snapshots else "null",
            finite=mapped(span.finite(self.instant)),
            unplaced=mapped(span.unplaced(self.instant)),
            largest_id=f"(select max(id) from ({mapped('true')}) as ledger)" if abilities.ids else "null",
        )
        return Query(text, {"relation": mapping.relation})

    def tail_sum(self, floor: int, outside: Span) -> Query:
        """Ask for number and sum of the ids above `floor` whose instants are outside a span."""
        return self._ask("tail_sum", span.finite(self.instant), {**outside.parameters, "floor": floor})

    def tail(self, floor: int, outside: Span) -> Query:
        """Ask for these ids and their instants."""
        return self._ask("tail", span.finite(self.instant), {**outside.parameters, "floor": floor})

    def ids(self, floor: int, where: Span) -> Query:
        """Ask for the ids above `floor` in a span, and their instants."""
        return self._ask("ids", self.within(), {**where.parameters, "floor": floor})

    def updated(self, since: int, size: int) -> Query:
        """Ask for the rows updated since an instant, at most `size`, the latest first."""
        return self._ask("updated", span.finite(self.instant), {"since": span.instant_text(since), "size": size})

    def updated_sum(self, since: int, until: int) -> Query:
        """Ask for number and sum of when rows were updated, after one instant and not after another."""
        parameters = {"since": span.instant_text(since), "until": span.instant_text(until)}
        return self._ask("updated_sum", span.finite(self.instant), parameters)
