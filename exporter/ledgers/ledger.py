"""What the incremental refresh asks of any ledger; what is particular to one stands in its own module."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
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

_UNASKED: Mapping[str, object] = {"settled_before": "infinity"}
"""Parameters of columns that not every question asks for."""

C = TypeVar("C", CostLedger, ImpactLedger, BudgetLedger)


@dataclass(frozen=True)
class Abilities:
    """What a server and a relation can do for the incremental refresh.

    `indexed` and `updates_indexed` tell whether an index leads to the rows of an instant, and to those updated at one;
    `rows` is how many there are, as the planner believes.
    """

    identity: bool
    snapshots: bool
    ids: bool
    rows: int
    indexed: bool
    updates_indexed: bool

    @classmethod
    def of(cls, answers: Sequence[Result]) -> Abilities:
        """Read the answers to `Ledger.probe`."""
        ((identity, snapshots, id_type),) = answers[0]
        plans = [answer[0][0][0]["Plan"] for answer in (answers[1], *answers[3:-1])]
        size, *found = plans
        return cls(
            identity=identity,
            snapshots=snapshots,
            ids=id_type in ("bigint", "integer", "smallint"),
            rows=int(size["Plan Rows"]),
            indexed=uses_index(found[0]) and _is_cheap(found[0], size),
            updates_indexed=len(found) > 1 and uses_index(found[1]),
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
        return self._ask(f"{self.name}/{name}", condition, parameters)

    def _ask(self, name: str, condition: str, parameters: Mapping[str, object]) -> Query:
        mapping: CostLedger | ImpactLedger | BudgetLedger = self.mapping
        return Query(
            compose(name, f"{self.name}/rows", mapping.relation, mapping.expressions, condition),
            {**_UNASKED, **parameters},
        )

    @property
    def index(self) -> str:
        """Return the statement that creates the index refreshes need."""
        mapping: CostLedger | ImpactLedger | BudgetLedger = self.mapping
        column = mapping.expression("day" if self.instant == "calendar_day" else "created_at")
        return f"CREATE INDEX ON {mapping.relation} ({column})"

    def within(self) -> str:
        """Return the condition that a row is in a span."""
        return span.within(self.instant)

    def cut(self, where: Span, size: int) -> Query:
        """Ask how many rows a range has, at most `size`, and the oldest of these newest ones."""
        return self._ask("ranges/cut", self.within(), {**where.parameters, "size": size})

    def ahead(self, where: Span, size: int) -> Query:
        """Ask how many rows a range has, at most `size`, and the newest of these oldest ones."""
        return self._ask("ranges/ahead", self.within(), {**where.parameters, "size": size})

    def newest(self, where: Span) -> Query:
        """Ask for the newest instant of a range."""
        return self._ask("ranges/newest", self.within(), where.parameters)

    def probe(self, question: Question) -> list[Query]:
        """Ask what the server and the relation can do: for `Abilities.of`.

        The minute looked for is the present one: of a relation in partitions any other may be in none.
        """
        now = int(question.now.timestamp() * 1_000_000)
        minute = Span(now, now + 60_000_000).parameters
        id_type = compose("ranges/id_type", f"{self.name}/rows", self.mapping.relation, self.mapping.expressions)
        queries: list[Query] = [
            Query(sql_file("ranges/probe").format(id_type=id_type if self.has_ids else "null::text"), _UNASKED),
            self._ask("ranges/size", "true", {}),
            Query(sql_file("ranges/no_seqscan"), {"setting": "off"}),
            self._ask("ranges/plan", self.within(), minute),
        ]
        if self.has_updates:
            updated = "updated >= %(start)s::timestamptz and updated < %(end)s::timestamptz"
            queries.append(self._ask("ranges/plan", updated, minute))
        return [*queries, Query(sql_file("ranges/no_seqscan"), {"setting": "on"})]

    def state(self, abilities: Abilities) -> Query:
        """Ask what tells whether the ledger is the one that was read before, and where it begins and ends."""
        mapping: CostLedger | ImpactLedger | BudgetLedger = self.mapping
        rows = f"{self.name}/rows"

        def mapped(condition: str) -> str:
            return compose("ranges/rows", rows, mapping.relation, mapping.expressions, condition)

        text = sql_file("ranges/state").format(
            identity=_IDENTITY if abilities.identity else "''",
            xmin="pg_snapshot_xmin(pg_current_snapshot())::text::bigint" if abilities.snapshots else "null",
            xmax="pg_snapshot_xmax(pg_current_snapshot())::text::bigint" if abilities.snapshots else "null",
            finite=mapped(span.finite(self.instant)),
            unplaced=mapped(span.unplaced(self.instant)),
            largest_id=f"(select max(id) from ({mapped('true')}) as ledger)" if abilities.ids else "null",
        )
        return Query(text, {**_UNASKED, "relation": mapping.relation})

    def tail_sum(self, floor: int, outside: Span) -> Query:
        """Ask for number and sum of the ids above `floor` whose instants are outside a span."""
        return self._ask("ranges/tail_sum", span.finite(self.instant), {**outside.parameters, "floor": floor})

    def tail(self, floor: int, outside: Span) -> Query:
        """Ask for these ids and their instants."""
        return self._ask("ranges/tail", span.finite(self.instant), {**outside.parameters, "floor": floor})

    def ids(self, floor: int, where: Span) -> Query:
        """Ask for the ids above `floor` in a span, and their instants."""
        return self._ask("ranges/ids", self.within(), {**where.parameters, "floor": floor})

    def updated(self, since: int, size: int) -> Query:
        """Ask for the rows updated since an instant, at most `size`, the latest first."""
        return self._ask("ranges/updated", span.finite(self.instant), {"since": span.instant_text(since), "size": size})

    def updated_sum(self, since: int, until: int) -> Query:
        """Ask for number and sum of when rows were updated, after one instant and not after another."""
        parameters = {"since": span.instant_text(since), "until": span.instant_text(until)}
        return self._ask("ranges/updated_sum", span.finite(self.instant), parameters)
