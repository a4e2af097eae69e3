"""Running totals: parts added and taken away in any order are the sum of what is left."""

from __future__ import annotations

from collections import Counter
from decimal import Decimal
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from exporter.parts import RECENT_DAYS, WINDOWS, Spend, Table, TaskNumbers, TaskOutcome, Tasks, ranked
from exporter.parts.ranges import RangePart
from exporter.parts.settled import Settled, Tally
from exporter.parts.tasks import everyone, unite
from exporter.parts.whole import newest_names
from tests.support.sizes import sizes
from tests.support.snapshots import TODAY, usd
from tests.support.table_rows import LABELS, Rows, days, kinds, money, rows

TOP = {"best": 2, "wasted": 3}
NUMBERS = TaskNumbers()
KINDS = kinds(money)
"""Money that can be added up, unlike what a part may hold."""
laid_over = st.sampled_from([0, 3, 500])
"""How many changes are laid over a table before it is made anew: each refresh, soon, and never here."""


def shown(table: Table[Any], today: int) -> object:
    """All that a table tells, whatever it is made of."""
    return (
        table.today,
        {(key, window): sums for key, window, sums in table.windows(WINDOWS)},
        set(table.present()),
        {day: table.total(day) for day in range(today - RECENT_DAYS, today + 3)},
    )


class TestTally:
    @given(st.lists(st.tuples(st.sampled_from(["add", "remove", "roll", "ask"]), rows), max_size=12), laid_over)
    def test_it_is_the_table_of_what_is_left(self, steps: list[tuple[str, Rows]], laid_over: int) -> None:
        """After any rows came and went, over days that pass."""
        today, left = TODAY, list[Rows]()
        tally = Tally(LABELS, Spend(), today)
        with sizes(laid_over_rows=laid_over):
            for step, new in [*steps, ("ask", [])]:
                if step == "add":
                    tally.add(new)
                    left.append(new)
                elif step == "remove" and left:
                    tally.remove(left.pop(len(new) % len(left)))
                elif step == "roll":
                    today += 1 + len(new)
                    tally.roll(today)
                else:
                    flat = Table.of(LABELS, today, Spend(), [row for some in left for row in some])
                    assert shown(tally.table(), today) == shown(flat, today)
                    assert shown(tally.table().by("quest"), today) == shown(flat.by("quest"), today)

    def test_a_table_that_was_published_stays_as_it_was(self) -> None:
        tally = Tally(LABELS, Spend(), TODAY)
        key = ("A", "m", "x")
        tally.add([(key, TODAY, usd("1"))])
        published = tally.table()
        tally.add([(key, TODAY, usd("2"))])
        tally.roll(TODAY + 1)

        assert published.window(key, "today") == usd("1")

    def test_while_nothing_changes_it_is_the_same_table(self) -> None:
        """What was derived of it stays too."""
        tally = Tally(LABELS, Spend(), TODAY)
        tally.add([(("A", "m", "x"), TODAY, usd("1"))])

        assert tally.table() is tally.table()


def _of_rows(sums: Any) -> bool:
    return bool(sums.rows > 0)


outcomes = st.builds(
    TaskOutcome,
    task=st.sampled_from("tuvw"),
    label=st.sampled_from("tuvw"),
    title=st.none(),
    quest=st.none(),
    layer=st.none(),
    impact=st.sampled_from([Decimal(1), Decimal(2)]),
    usd=st.sampled_from([Decimal(1), Decimal(3)]),
    tokens=st.integers(0, 3),
    instant=days.map(lambda day: day * 86_400_000_000),
)


@st.composite
def parts(draw: st.DrawFn) -> RangePart:
    """A part with something of everything a ledger may have."""
    keys = {name: st.tuples(*[st.sampled_from(["x", "y", None])] * len(Settled.TABLES[name][0])) for name in KINDS}
    return RangePart(
        rows=draw(st.integers(0, 9)),
        rejected={"instant": draw(st.integers(0, 3)), "cost": draw(st.integers(0, 3))},
        oldest=None,
        newest=None,
        tables={
            name: draw(st.lists(st.tuples(keys[name], days, KINDS[name].filter(_of_rows)), max_size=4))
            for name in draw(st.sets(st.sampled_from(sorted(KINDS)), max_size=2))
        },
        first_seen=draw(st.dictionaries(st.tuples(st.sampled_from("AB")), st.integers(0, 5), max_size=2)),
        tasks={
            key: NUMBERS.of(tasks)
            for key, tasks in draw(
                st.dictionaries(
                    st.tuples(st.sampled_from("AB"), days), st.sets(st.sampled_from("tuvw"), min_size=1), max_size=3
                )
            ).items()
        },
        best=tuple(draw(st.lists(outcomes, max_size=3))),
        wasted=tuple(draw(st.lists(outcomes.map(_wasted), max_size=3))),
        names=draw(
            st.dictionaries(
                st.sampled_from("xy"),
                st.tuples(days, st.frozensets(st.sampled_from(["X", "Y"]), min_size=1)),
                max_size=2,
            )
        ),
    )


def _wasted(outcome: TaskOutcome) -> TaskOutcome:
    return TaskOutcome(**{**vars(outcome), "reason": "low_impact"})


def told(settled: Settled, parts: list[RangePart]) -> dict[str, Any]:
    """All that running totals tell."""
    tasks = settled.tasks(parts)
    return {
        "rows": settled.rows,
        "rejected": settled.rejected,
        "first_seen": dict(settled.first_seen(parts)),
        "names": dict(settled.names(parts)),
        "tasks": [{key: counts for key, counts in tasks.counts(by).items() if any(counts)} for by in (str, everyone)],
        **{name: [one.rank for one in settled.ranking(name, parts)] for name in TOP},
    }


def added_up(today: int, parts: list[RangePart]) -> dict[str, Any]:
    """The same, of all parts at once."""
    rejected, first_seen, names = Counter(instant=0, cost=0), dict[Any, int](), dict[str, Any]()
    for part in parts:
        rejected.update(part.rejected)
        for key, instant in part.first_seen.items():
            first_seen[key] = min(instant, first_seen.get(key, instant))
        names = newest_names(names, part.names)
    tasks = Tasks(today, unite(part.tasks for part in parts))
    first = (today - RECENT_DAYS + 1) * 86_400_000_000
    return {
        "rows": sum(part.rows for part in parts),
        "rejected": dict(rejected),
        "first_seen": first_seen,
        "names": names,
        "tasks": [{key: counts for key, counts in tasks.counts(by).items() if any(counts)} for by in (str, everyone)],
        **{
            name: [
                one.rank
                for one in ranked([o for part in parts for o in getattr(part, name) if o.instant >= first], top)
            ]
            for name, top in TOP.items()
        },
    }


@given(st.lists(st.sampled_from(["add", "add", "remove", "roll", "ask"]), max_size=14), st.data(), laid_over)
def test_it_is_the_sum_of_what_is_left(steps: list[str], data: st.DataObject, laid_over: int) -> None:
    today, left = TODAY, list[RangePart]()
    settled = Settled(today, ("instant", "cost"), TOP)
    with sizes(laid_over_rows=laid_over):
        for step in [*steps, "ask"]:
            if step == "add":
                left.append(data.draw(parts()))
                settled.add(left[-1])
            elif step == "remove" and left:
                settled.remove(left.pop(data.draw(st.integers(0, len(left) - 1))))
            elif step == "roll":
                today += data.draw(st.sampled_from([1, 2, 40]))
                settled.roll(today)
            else:
                assert told(settled, left) == added_up(today, left)
                for name, (labels, zero) in Settled.TABLES.items():
                    flat = Table.of(labels, today, zero, [row for part in left for row in part.tables.get(name, [])])
                    assert shown(settled.table(name), today) == shown(flat, today)


def test_in_the_end_nothing_is_left() -> None:
    """Not even a key with zeros."""
    key = ("A", "m", "x")
    one = RangePart(2, {"cost": 1}, None, None, {"spend": [(key, TODAY, usd("0.1")), (key, TODAY - 50, usd("-3"))]})
    settled = Settled(TODAY, ("cost",), TOP)
    settled.add(one)
    settled.roll(TODAY + 45)
    settled.remove(one)

    assert (settled.rows, settled.rejected, settled.table("spend").present()) == (0, {"cost": 0}, [])
    assert settled.tasks([]).counts(str) == {}


def test_parts_are_asked_for_only_where_something_was_taken_away() -> None:
    """A refresh that only adds costs what is new."""
    settled = Settled(TODAY, (), TOP)
    settled.add(RangePart(1, {}, None, None, {}, first_seen={("A",): 1}, tasks={("A", TODAY): NUMBERS.of(["t"])}))
    nothing: list[RangePart] = []

    assert settled.first_seen(nothing) == {("A",): 1}
    assert settled.tasks(nothing).counts(str) == {"A": (1, 0, 1, 1, 1)}
    assert settled.tasks(nothing) is settled.tasks(nothing)
