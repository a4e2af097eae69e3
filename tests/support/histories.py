"""Ledgers as real ones are: strategies for rows of every awkward kind, and for what happens as time passes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, time, timedelta
from decimal import Decimal
from types import TracebackType
from typing import Self, TypeAlias

import psycopg
from hypothesis import strategies as st
from psycopg import sql

Value: TypeAlias = str | None
Row: TypeAlias = tuple[Value, ...]

RELATIONS = {"cost": "cost_ledger", "impact": "impact_ledger", "budget": "quest_budget_allocations"}
WRITTEN = {
    "cost": ("created_at", "provider", "model", "task_id", "quest_id", "tokens_in", "tokens_out", "cost_usd"),
    "impact": ("created_at", "task_id", "title", "quest_id", "layer", "total_tokens", "cost_usd", "impact_score"),
    "budget": ("quest_id", "quest_name", "day", "allocated_usd", "spent_usd"),
}


@dataclass(frozen=True)
class Ledgers:
    """Rows of the three ledgers, every value as text the database will read; columns as in `WRITTEN`."""

    cost: tuple[Row, ...] = ()
    impact: tuple[Row, ...] = ()
    budget: tuple[Row, ...] = ()

    def rows(self, ledger: str) -> tuple[Row, ...]:
        """The rows of one ledger."""
        rows: tuple[Row, ...] = getattr(self, ledger)
        return rows

    def split(self) -> tuple[Ledgers, Ledgers]:
        """The same rows dealt to two shards."""
        return (
            Ledgers(self.cost[::2], self.impact[::2], self.budget[::2]),
            Ledgers(self.cost[1::2], self.impact[1::2], self.budget[1::2]),
        )


# --- values ----------------------------------------------------------------------------------------------------------

LONG = "<10 kB>"
"""Stands for 10 kB of text, so that an example stays readable; `Platform` writes it out."""

anything = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=12)
odd_texts = st.one_of(
    anything,
    st.sampled_from([
        "", " ", "other", "unknown", 'say "hi"', "say 'hi'", "back\\slash", "back/slash", "two\nlines", "two lines",
        "tab\there", "nul\x01\x7f\x85", "🚀 naïve Ω", LONG, LONG + "!", "x" * 119, "x" * 120, "x" * 121,
        "%s {} $1 {{x}}", "#", "\u2028", "NaN",
    ]),
)  # fmt: skip


def _texts(*common: str) -> st.SearchStrategy[Value]:
    """Mostly one of a few texts, now and then an odd one or none."""
    usual = st.sampled_from(common)
    return st.one_of(usual, usual, usual, usual, st.none(), odd_texts)


quests = _texts(
    "q1", "q2", "Q2", "q-10", "é", "Alpha", "id of more than forty characters, number 1", "id of 40 characters " * 2
)
quest_names = _texts("Alpha", "Alpha", "alpha", "Beta", "Alpha (q2)", "q1", 'The "best"', "The 'best'", "x" * 118)
providers = _texts(
    "bedrock/claude-3", "MiniMax-M2", "minimax", "codex-mini", "max", "MAX", "GLM-4.6", "openai", "maximum"
)
models = _texts("m1", "m2", "M2", "claude-3", 'm"1', "m'1")
tasks = _texts("t1", "t2", "T2", "t10", "t-3", "é3", 't"4', "t'4")
titles = _texts("Read the paper", "Write it up", "t" * 81)
layers = _texts("Agora", "Exchange", "Forge", "Atlas", "Senate", "agora")

plain_dollars = st.one_of(
    st.sampled_from(["0", "1", "0.01", "0.1", "0.2", "0.3", "2.5", "1.0", "10", "-0.01", "-5"]),
    st.decimals(min_value=-20, max_value=500, places=6).map(str),
)
odd_dollars = st.sampled_from([
    None, "NaN", "Infinity", "-Infinity", "1e100", "-1e100", "1.0000000000000001e100", "-2e100", "1e-300", "-1e-300",
    "123456789012345678901234567890.123456789012345678901234567890", "1e30", "1e400",
])  # fmt: skip
dollars: st.SearchStrategy[Value] = st.one_of(plain_dollars, plain_dollars, plain_dollars, plain_dollars, odd_dollars)

round_dollars = st.integers(-64 * 5, 64 * 100).map(lambda parts: str(Decimal(parts) / 64))
"""Dollars whose sums are exact as floats."""

tokens: st.SearchStrategy[Value] = st.one_of(
    st.sampled_from(["0", "1", "999", "1000", "1001", "5000", "250000"]),
    st.integers(0, 100_000).map(str),
    st.sampled_from([None, "-7", "9223372036854775807", "9007199254740993"]),
)
impacts: st.SearchStrategy[Value] = st.one_of(
    st.none(),
    st.sampled_from(["0", "0.1", "0.3", "0.49999", "0.5", "0.5000000000000001", "0.51", "0.8", "1", "-1", "7"]),
    st.floats(0, 1).map(repr),
    st.sampled_from(["NaN", "Infinity", "-Infinity", "1e308", "1.7976931348623157e308", "1e-300", "5e-324", "-0"]),
)

nows = st.builds(
    datetime.combine,
    st.sampled_from([datetime(2026, 4, 10), datetime(2028, 3, 1), datetime(2026, 12, 31)]),  # noqa: DTZ001  a day
    st.sampled_from([time(0), time(0, 0, 0, 1), time(12, 34, 56, 789012), time(23, 59, 59, 999999)]),
    st.just(UTC),
)

DAYS_AGO = (0, 0, 0, 1, 1, 2, 5, 6, 7, 8, 28, 29, 30, 31, 400, -1, -2, -40)
FAR_INSTANTS = (
    None,
    "infinity",
    "-infinity",
    "0044-03-15 12:00:00+00 BC",
    "0001-01-01 00:00:00+00",
    "9999-12-31 23:59:59.999999+00",
    "294276-12-31 23:59:59+00",
)
FAR_DAYS = (None, "infinity", "-infinity", "0044-03-15 BC", "9999-12-31", "5874897-12-31")


def _instants(now: datetime) -> st.SearchStrategy[Value]:
    """Instants near what decides about them: midnights, windows' ends, the grace, now."""
    times = st.one_of(
        st.sampled_from([time(0), time(0, 0, 0, 1), time(23, 59, 59, 999999), time(12)]),
        st.just(now.time()),
        st.times(),
    )
    days = st.sampled_from(DAYS_AGO).map(lambda ago: (now - timedelta(ago)).date())
    usual = st.builds(datetime.combine, days, times, st.just(UTC)).map(datetime.isoformat)
    moment = timedelta(microseconds=1)
    edges = [now, now + moment, now - moment, *(now - timedelta(hours=24) + shift * moment for shift in (-1, 0, 1))]
    near = st.sampled_from([edge.isoformat() for edge in edges])
    return st.one_of(usual, usual, usual, usual, near, st.sampled_from(FAR_INSTANTS))


def _days(now: datetime) -> st.SearchStrategy[Value]:
    usual = st.sampled_from(DAYS_AGO).map(lambda ago: (now - timedelta(ago)).date().isoformat())
    return st.one_of(usual, usual, usual, usual, st.sampled_from(FAR_DAYS))


# --- rows ------------------------------------------------------------------------------------------------------------


def charges(now: datetime, usd: st.SearchStrategy[Value] = dollars) -> st.SearchStrategy[Row]:
    """A row of the cost ledger."""
    return st.tuples(_instants(now), providers, models, tasks, quests, tokens, tokens, usd)


def outcomes(now: datetime, usd: st.SearchStrategy[Value] = dollars) -> st.SearchStrategy[Row]:
    """A row of the impact ledger."""
    return st.tuples(_instants(now), tasks, titles, quests, layers, tokens, usd, impacts)


def allocations(now: datetime, usd: st.SearchStrategy[Value] = dollars) -> st.SearchStrategy[Row]:
    """A row of the budget ledger."""
    return st.tuples(quests, quest_names, _days(now), usd, st.one_of(usd, odd_dollars))


def _ranked_alike(row: Row) -> tuple[object, ...]:
    """Equal for outcomes that no ranking tells apart: which of them is shown is nobody's promise."""
    created_at, task, _, _, _, total_tokens, usd, _ = row
    return created_at, task, total_tokens or "0", None if usd is None else Decimal(usd)


def _some(
    rows: st.SearchStrategy[Row], most: int, unique_by: Callable[[Row], object] | None = None
) -> st.SearchStrategy[tuple[Row, ...]]:
    """Usually many rows, so that they meet in every figure; sometimes few or none."""
    few = st.lists(rows, max_size=2, unique_by=unique_by)
    many = st.lists(rows, min_size=most // 2, max_size=most, unique_by=unique_by)
    return st.one_of(many, many, many, many, many, few).map(tuple)


def ledgers(now: datetime, usd: st.SearchStrategy[Value] = dollars, most: int = 40) -> st.SearchStrategy[Ledgers]:
    """Three ledgers of some rows each, or none."""
    return st.builds(
        Ledgers,
        _some(charges(now, usd), most),
        _some(outcomes(now, usd), most, unique_by=_ranked_alike),
        _some(allocations(now, usd), most // 2),
    )


@st.composite
def moments(draw: st.DrawFn, usd: st.SearchStrategy[Value] = dollars, most: int = 40) -> tuple[datetime, Ledgers]:
    """An instant, and ledgers that are awkward at that instant."""
    now = draw(nows)
    return now, draw(ledgers(now, usd, most))


# --- what happens ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Wait:
    """Time passes."""

    span: timedelta


@dataclass(frozen=True)
class Add:
    """A row is booked."""

    ledger: str
    row: Row


@dataclass(frozen=True)
class Edit:
    """A row becomes another; which one is told by its place, modulo how many there are."""

    ledger: str
    place: int
    row: Row


@dataclass(frozen=True)
class Delete:
    """A row is deleted."""

    ledger: str
    place: int


@dataclass(frozen=True)
class Withdraw:
    """A ledger cannot be read any more."""

    ledger: str


@dataclass(frozen=True)
class Restore:
    """All ledgers can be read again."""


Action: TypeAlias = Wait | Add | Edit | Delete | Withdraw | Restore


@dataclass(frozen=True)
class History:
    """Ledgers at an instant, and what happens afterwards, a few actions before each refresh."""

    now: datetime
    ledgers: Ledgers
    steps: tuple[tuple[Action, ...], ...] = field(default=())


WAITS = (
    timedelta(seconds=15),
    timedelta(minutes=10),
    timedelta(minutes=16),
    timedelta(hours=1),
    timedelta(1),
    timedelta(2),
)


@st.composite
def histories(draw: st.DrawFn, withdrawn: Sequence[str] = ("budget",), steps: int = 5) -> History:
    """A history in which time passes, rows come, change and go, and ledgers are withdrawn and restored."""
    now = draw(nows)
    rows = st.one_of(
        st.tuples(st.just("cost"), charges(now)),
        st.tuples(st.just("impact"), outcomes(now)),
        st.tuples(st.just("budget"), allocations(now)),
    )
    places = st.integers(0, 40)
    actions: st.SearchStrategy[Action] = st.one_of(
        rows.map(lambda chosen: Add(*chosen)),
        rows.map(lambda chosen: Add(*chosen)),
        st.tuples(rows, places).map(lambda chosen: Edit(chosen[0][0], chosen[1], chosen[0][1])),
        st.builds(Delete, st.sampled_from(list(RELATIONS)), places),
        st.builds(Wait, st.sampled_from(WAITS)),
        *([st.builds(Withdraw, st.sampled_from(withdrawn)), st.just(Restore())] if withdrawn else []),
    )
    step = st.lists(actions, min_size=1, max_size=5).map(tuple)
    return History(now, draw(ledgers(now, most=20)), draw(st.lists(step, min_size=1, max_size=steps).map(tuple)))


# --- in a database ---------------------------------------------------------------------------------------------------


NOTHING = sql.SQL("")


def _written(value: Value) -> Value:
    """A value as it stands in the database."""
    return None if value is None else value.replace(LONG, "a long text, " * 800)


class Platform:
    """Whoever books in the ledgers: writes rows into a database and makes actions happen there."""

    def __init__(self, dsn: str) -> None:
        self._connection = psycopg.connect(dsn, autocommit=True)
        self._next_id = 1
        self.withdrawn: set[str] = set()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.restore()
        self._connection.close()

    def begin(self, ledgers: Ledgers) -> None:
        """Empty all ledgers and write these."""
        self.restore()
        self._next_id = 1
        for ledger, relation in RELATIONS.items():
            self._connection.execute(sql.SQL("truncate {}").format(sql.Identifier(relation)))
            self.add(ledger, ledgers.rows(ledger))

    def add(self, ledger: str, rows: Sequence[Row]) -> None:
        """Book rows, with ids that count up."""
        if not rows:
            return
        columns = WRITTEN[ledger] if ledger == "budget" else ("id", *WRITTEN[ledger])
        into = sql.SQL("copy {} ({}) from stdin").format(
            sql.Identifier(self._relation(ledger)), sql.SQL(", ").join(map(sql.Identifier, columns))
        )
        with self._connection.cursor().copy(into) as copy:
            for row in rows:
                values = tuple(map(_written, row))
                copy.write_row(values if ledger == "budget" else (str(self._next_id), *values))
                self._next_id += 1

    def edit(self, ledger: str, place: int, row: Row, now: datetime) -> None:
        """Turn a row into another, its id apart."""
        changes = [
            sql.SQL("{} = {}").format(sql.Identifier(name), sql.Literal(_written(value)))
            for name, value in zip(WRITTEN[ledger], row, strict=True)
        ]
        if ledger == "impact":
            changes.append(sql.SQL("updated_at = {}").format(sql.Literal(now.isoformat())))
        self._at(sql.SQL("update {relation} set {changes} where {at}"), ledger, place, sql.SQL(", ").join(changes))

    def delete(self, ledger: str, place: int) -> None:
        """Delete a row."""
        self._at(sql.SQL("delete from {relation} where {at}"), ledger, place)

    def _at(self, statement: sql.SQL, ledger: str, place: int, changes: sql.Composable = NOTHING) -> None:
        relation = sql.Identifier(self._relation(ledger))
        counted = self._connection.execute(sql.SQL("select count(*) from {}").format(relation)).fetchone()
        if not counted or not counted[0]:
            return
        at = sql.SQL("ctid = (select ctid from {} order by ctid offset {} limit 1)").format(
            relation, sql.Literal(place % counted[0])
        )
        self._connection.execute(statement.format(relation=relation, changes=changes, at=at))

    def withdraw(self, ledger: str) -> None:
        """Make a ledger unreadable: its relation is gone by that name."""
        if ledger not in self.withdrawn:
            self._rename(RELATIONS[ledger], f"{RELATIONS[ledger]}_withdrawn")
            self.withdrawn.add(ledger)

    def restore(self) -> None:
        """Make all ledgers readable."""
        for ledger in sorted(self.withdrawn):
            self._rename(f"{RELATIONS[ledger]}_withdrawn", RELATIONS[ledger])
        self.withdrawn.clear()

    def _relation(self, ledger: str) -> str:
        return f"{RELATIONS[ledger]}_withdrawn" if ledger in self.withdrawn else RELATIONS[ledger]

    def _rename(self, relation: str, name: str) -> None:
        self._connection.execute(
            sql.SQL("alter table {} rename to {}").format(sql.Identifier(relation), sql.Identifier(name))
        )

    def happen(self, action: Action, now: datetime) -> datetime:
        """Make one action happen; the instant it is afterwards."""
        match action:
            case Wait(span):
                return now + span
            case Add(ledger, row):
                self.add(ledger, [row])
            case Edit(ledger, place, row):
                self.edit(ledger, place, row, now)
            case Delete(ledger, place):
                self.delete(ledger, place)
            case Withdraw(ledger):
                self.withdraw(ledger)
            case Restore():
                self.restore()
        return now
