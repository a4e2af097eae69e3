"""What is asked of any ledger in plain questions; what is particular to one stands in its own module."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Generic, Literal, TypeVar

from exporter.config import BudgetLedger, CostLedger, ImpactLedger, LedgerName
from exporter.databases.query import Query, Result, compose, escaped, sql_file
from exporter.errors import SourceError
from exporter.ledgers import span
from exporter.ledgers.question import Question
from exporter.ledgers.span import Span
from exporter.sums.numbers import NotANumberError
from exporter.sums.range_sums import RangeSums
from exporter.sums.settled import Settled
from exporter.sums.whole import Part

_IDENTITY = (
    "concat_ws(' ', pg_postmaster_start_time(), pg_is_in_recovery(),"
    " to_regclass(%(relation)s)::oid, pg_relation_filenode(to_regclass(%(relation)s)))"
)

_MANY_ROWS = 10_000
"""From so many rows on the planner's costs tell an index that leads somewhere from one that does not."""
UNINDEXED_ROWS = 20_000
"""A ledger of this many rows without an index on its instants is added up by the database at each refresh."""

_NOT_A_NUMBER = "22P02"
"""The SQLSTATE of a text that is no number."""

Fingerprint = Literal["version", "hash", "none"]
_FINGERPRINTS: Mapping[Fingerprint, tuple[str, str]] = {
    "version": ("xmin", "version"),
    "hash": ("null::xid", "hashtextextended(ledger::text, 0)"),
    "none": ("null::text", "0::bigint"),
}
"""For each kind of fingerprint the version of a row in its relation, and its fingerprint in a question."""
_SUMMED = {"version": "version::text::bigint", "hash": "hashtextextended(ledger::text, 0)", "none": "0::bigint"}

C = TypeVar("C", CostLedger, ImpactLedger, BudgetLedger)
R = TypeVar("R", bound=RangeSums)
P = TypeVar("P", bound=Part)


@dataclass(frozen=True)
class Abilities:
    """What a server and a relation can do for the incremental refresh.

    `indexed` and `updates_indexed` tell whether an index leads to the rows of an instant, and to those updated at one;
    `rows` is how many there are, as the planner believes. Without `plans` the server tells neither: indexes are taken to be
    there, and `rows` is 0. `fingerprint` is how rows are told apart without reading them: by `version`, by a `hash` of the
    mapped columns, or not at all (`none`); `counts` tells whether the server counts what is done to the relation.
    """

    identity: bool
    snapshots: bool
    ids: bool
    rows: int
    indexed: bool
    updates_indexed: bool
    plans: bool = True
    fingerprint: Fingerprint = "none"
    counts: bool = False

    @property
    def must_read_whole(self) -> bool:
        """Tell whether ranges cannot be found without reading the whole relation, and that is large."""
        return not self.indexed and self.rows >= UNINDEXED_ROWS

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


@dataclass(frozen=True)
class State:
    """What a refresh learns of a ledger as a whole. Instants are in microseconds since 1970.

    `unplaced` is how many rows have no instant; `counts` how many rows the server counted as inserted, updated and deleted,
    None where it counts nothing; `partitions` of how many relations.
    """

    identity: str
    xmin: int | None
    xmax: int | None
    oldest: int | None
    unplaced: int
    largest_id: int | None
    counts: tuple[int, int, int] | None
    partitions: int


class Ledger(ABC, Generic[C, R, P]):
    """A ledger as the configuration maps it: the questions it is asked, and what the answers add up to.

    `R` is what the rows of a range add up to, `P` what is known of the whole ledger.
    """

    name: ClassVar[LedgerName]
    reasons: ClassVar[tuple[str, ...]]
    instant: ClassVar[str] = "instant"
    has_ids: ClassVar[bool] = True
    split_at_midnight: ClassVar[bool] = True
    """Whether a range must lie within one day."""

    def __init__(self, mapping: C) -> None:
        self.mapping: C = mapping

    @property
    def has_updates(self) -> bool:
        """Tell whether rows say when they were updated."""
        return False

    # What rows add up to

    def sums(self, rows: Result, where: Span, question: Question) -> R:
        """Return what the rows of a range add up to, given as `rows_of` asks for them.

        Raises:
            SourceError: a column that should hold numbers holds something else.
        """
        try:
            return self._sums(rows, where, question)
        except NotANumberError as error:
            raise SourceError(f"{error}; SQLSTATE {_NOT_A_NUMBER}", sqlstate=_NOT_A_NUMBER, owner=self.name) from None

    @abstractmethod
    def _sums(self, rows: Result, where: Span, question: Question) -> R:
        """Return what the rows of a range add up to."""

    @abstractmethod
    def settled(self, today: int) -> Settled[R]:
        """Return empty running totals over the settled ranges."""

    @abstractmethod
    def part(self, question: Question, base: Part, settled: Settled[R], sums: Sequence[R], newest: R) -> P:
        """Return what is known of the ledger: `settled`, the running totals of `sums`, and the newest rows over it."""

    def row_parameters(self, where: Span, question: Question) -> Mapping[str, object]:  # noqa: ARG002
        """Return further parameters of the question for rows."""
        return {}

    def is_pending(self, row: tuple[Any, ...], question: Question) -> bool:  # noqa: ARG002
        """Tell whether what a row adds up to will change with time alone."""
        return False

    # The plain questions

    def rows_of(self, where: Span, question: Question, able: Abilities, size: int) -> Query:
        """Ask for the rows of a range, at most `size`, the newest first."""
        parameters = {**where.parameters, **self.row_parameters(where, question), "size": size}
        order = f"order by {self.instant} desc limit %(size)s"
        return self._rows(self.within(), parameters, able, order=order, is_repeated=True)

    def oldest_rows_of(self, where: Span, question: Question, able: Abilities, size: int) -> Query:
        """Ask for the rows of a range, at most `size`, the oldest first."""
        parameters = {**where.parameters, **self.row_parameters(where, question), "size": size}
        return self._rows(self.within(), parameters, able, order=f"order by {self.instant} limit %(size)s")

    def all_rows_of(self, where: Span, question: Question, able: Abilities) -> Query:
        """Ask for the rows of a range, however many there are, in any order."""
        return self._rows(self.within(), {**where.parameters, **self.row_parameters(where, question)}, able)

    def rows_with(self, ids: Sequence[int], where: Span, question: Question, able: Abilities) -> Query:
        """Ask for the rows of a range that have these ids."""
        parameters = {"ids": list(ids), **where.parameters, **self.row_parameters(where, question)}
        return self._rows(f"id = any(%(ids)s) and {self.within()}", parameters, able)

    def _rows(
        self,
        condition: str,
        parameters: Mapping[str, object],
        able: Abilities,
        *,
        order: str = "",
        is_repeated: bool = False,
    ) -> Query:
        text = self.text(
            f"{self.name}/range",
            condition,
            able.fingerprint,
            id="id" if able.ids else "null::bigint",
            fingerprint=_FINGERPRINTS[able.fingerprint][1],
            order=order,
        )
        return Query(text, parameters, self.name, is_repeated, is_binary=True)

    def text(self, name: str, condition: str, kind: Fingerprint = "none", **others: str) -> str:
        """Return the text of a question over the mapped rows that meet a condition."""
        return sql_file(name).format(
            mapped=self.mapped(_FINGERPRINTS[kind][0]),
            condition=condition,
            by=self.instant,
            instant=span.microseconds("instant"),
            updated=span.microseconds("updated"),
            **others,
        )

    def mapped(self, version: str = "null::text") -> str:
        """Return the ledger in its reference columns, as the configuration maps them."""
        mapping: CostLedger | ImpactLedger | BudgetLedger = self.mapping
        relation = mapping.relation.replace("%", "%%")
        columns = escaped(mapping.expressions.items())
        return sql_file(f"{self.name}/mapped").format(relation=relation, version=version, **columns)

    def _question(
        self, name: str, condition: str, parameters: Mapping[str, object], *, is_repeated: bool = False
    ) -> Query:
        text = self.text(f"questions/{name}", condition)
        return Query(text, parameters, self.name, is_repeated, is_binary=True)

    def within(self) -> str:
        """Return the condition that a row is in a span."""
        return span.within(self.instant)

    def newest(self, where: Span, size: int) -> Query:
        """Ask for the instant that cuts off the newest rows of a range, and how many there are, at most `size`."""
        return self._question("newest", self.within(), {**where.parameters, "size": size})

    def late_sum(self, floor: int) -> Query:
        """Ask for number and sum of the ids above `floor`."""
        return self._question("late_sum", span.finite(self.instant), {"floor": floor}, is_repeated=True)

    def late(self, floor: int, outside: Span, size: int) -> Query:
        """Ask for the ids above `floor` whose instants are outside a span, and these, at most `size`, the smallest first."""
        parameters = {**outside.parameters, "floor": floor, "size": size}
        return self._question("late", span.finite(self.instant), parameters)

    def changed(self, since: int, latest: int, size: int) -> Query:
        """Ask for the rows updated after `latest`, at most `size`, and for number and sum of the updates from `since` to it."""
        parameters = {"since": span.instant_text(since), "latest": span.instant_text(latest), "size": size}
        return self._question("changed", span.finite(self.instant), parameters, is_repeated=True)

    def counted(self, starts: Sequence[int], end: int) -> Query:
        """Ask how many rows each of neighbouring ranges has."""
        return self._question("counted", self.within(), _neighbours(starts, end), is_repeated=True)

    def fingerprints(self, starts: Sequence[int], end: int, able: Abilities) -> Query:
        """Ask how many rows each of neighbouring ranges has, and for the sum of their fingerprints."""
        text = self.text(
            "questions/fingerprints", self.within(), able.fingerprint, fingerprint=_SUMMED[able.fingerprint]
        )
        return Query(text, _neighbours(starts, end), self.name, is_binary=True)

    def state(self, able: Abilities) -> Query:
        """Ask what tells whether the ledger is the one that was read before, and where it begins and ends."""
        mapping: CostLedger | ImpactLedger | BudgetLedger = self.mapping
        mapped = self.mapped()
        text = sql_file("questions/state").format(
            identity=_IDENTITY if able.identity else "''",
            xmin="pg_snapshot_xmin(pg_current_snapshot())::text::bigint" if able.snapshots else "null::bigint",
            xmax="pg_snapshot_xmax(pg_current_snapshot())::text::bigint" if able.snapshots else "null::bigint",
            mapped=mapped,
            instant=span.microseconds("instant"),
            finite=span.finite(self.instant),
            unplaced=span.unplaced(self.instant),
            largest_id=f"(select max(id) from ({mapped}) as ledger)" if able.ids else "null::bigint",
            counts=sql_file("questions/counts") if able.counts else "null::bigint[]",
            rewritten=sql_file("questions/rewritten") if able.identity else "false",
        )
        return Query(text, {"relation": mapping.relation}, self.name, is_repeated=True, is_binary=True)

    def whole(self, name: str, parameters: Mapping[str, object]) -> Query:
        """Return a question of the ledger's own over all its rows, which the database adds up."""
        mapping: CostLedger | ImpactLedger | BudgetLedger = self.mapping
        text = compose(f"{self.name}/{name}", f"{self.name}/rows", mapping.relation, mapping.expressions)
        return Query(text, parameters, self.name)


def _neighbours(starts: Sequence[int], end: int) -> Mapping[str, object]:
    """Return the parameters of a question about ranges that follow on each other."""
    return {**Span(starts[0], end).parameters, "starts": [span.instant_text(start) for start in starts]}


def state_of(answer: Result, owner: LedgerName) -> State:
    """Return the answer to `Ledger.state`.

    Raises:
        SourceError: the relation was rewritten after the transaction's snapshot was taken. PostgreSQL shows a table that was
            rewritten (ALTER TABLE ... TYPE, TRUNCATE) as empty to snapshots of before.
    """
    ((identity, xmin, xmax, oldest, unplaced, largest_id, counts, rewritten),) = answer
    if rewritten:
        raise SourceError(
            "a relation was rewritten while a refresh waited for it; it is read again at the next one", owner=owner
        )
    partitions, *counted = counts or (0,)
    return State(
        identity=identity,
        xmin=xmin,
        xmax=xmax,
        oldest=oldest,
        unplaced=unplaced,
        largest_id=largest_id,
        counts=(counted[0], counted[1], counted[2]) if counted else None,
        partitions=partitions,
    )
