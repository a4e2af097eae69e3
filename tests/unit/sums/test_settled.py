"""Running totals: sums added and taken away in any order are the sum of what is left."""

from __future__ import annotations

from collections import Counter
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.sums import (
    RECENT_DAYS,
    WINDOWS,
    Allocation,
    Outcomes,
    Spend,
    Table,
    TaskOutcome,
    Tasks,
    Waste,
    ranked,
)
from exporter.sums.days import MICROSECONDS_A_DAY
from exporter.sums.range_sums import BudgetSums, CostSums, ImpactSums, RangeSums, earliest
from exporter.sums.settled import BudgetSettled, CostSettled, ImpactSettled, Settled, Tally
from exporter.sums.tasks import everyone, unite
from exporter.sums.whole import newest_names
from tests.support.sizes import sizes
from tests.support.snapshots import TODAY, usd
from tests.support.table_rows import LABELS, LENGTHS, NUMBERS, REASONS, Kind, Rows, range_sums, rows

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


def empty(kind: Kind, today: int) -> Settled[Any]:
    """Running totals of nothing."""
    if kind == "cost":
        return CostSettled(today, REASONS[kind])
    if kind == "impact":
        return ImpactSettled(today, REASONS[kind], *LENGTHS)
    return BudgetSettled(today, REASONS[kind])


def told(settled: Settled[Any], left: list[Any], today: int) -> dict[str, Any]:
    """All that running totals tell; `left` is what was added and not taken away."""
    found: dict[str, Any] = {"rows": settled.rows, "rejected": settled.rejected}
    if isinstance(settled, CostSettled):
        return found | {
            "spend": shown(settled.spend, today),
            "refunds": shown(settled.refunds, today),
            "first seen": dict(settled.first_seen(left)),
            "tasks": counted(settled.tasks(left)),
        }
    if isinstance(settled, ImpactSettled):
        return found | {
            "outcomes": shown(settled.outcomes, today),
            "waste": shown(settled.waste, today),
            "best": [one.rank for one in settled.best(left)],
            "wasted": [one.rank for one in settled.wasted(left)],
        }
    assert isinstance(settled, BudgetSettled)
    return found | {"allocations": shown(settled.allocations, today), "names": dict(settled.names(left))}


def counted(tasks: Tasks) -> list[dict[str, tuple[int, ...]]]:
    """How many tasks there are, by provider and over all."""
    return [{key: counts for key, counts in tasks.counts(by).items() if any(counts)} for by in (str, everyone)]


def added_up(kind: Kind, left: list[Any], today: int) -> dict[str, Any]:
    """The same, of everything at once."""
    rejected = Counter(dict.fromkeys(REASONS[kind], 0))
    for sums in left:
        rejected.update(sums.rejected)
    found: dict[str, Any] = {"rows": sum(sums.rows for sums in left), "rejected": dict(rejected)}

    def table(name: str, labels: tuple[str, ...], zero: Any) -> object:
        rows = [row for sums in left for row in getattr(sums, name)]
        return shown(Table.of(labels, today, zero, rows), today)

    if kind == "cost":
        first_seen: dict[Any, int] = {}
        for sums in left:
            first_seen = earliest(first_seen, sums.first_seen)
        return found | {
            "spend": table("spend", LABELS, Spend()),
            "refunds": table("refunds", LABELS, Spend()),
            "first seen": first_seen,
            "tasks": counted(Tasks(today, unite(sums.tasks for sums in left))),
        }
    if kind == "impact":
        first = (today - RECENT_DAYS + 1) * MICROSECONDS_A_DAY
        best, wasted = LENGTHS

        def first_of(name: str, top: int) -> list[object]:
            some = [one for sums in left for one in getattr(sums, name) if one.instant >= first]
            return [one.rank for one in ranked(some, top)]

        return found | {
            "outcomes": table("outcomes", ("quest", "layer"), Outcomes()),
            "waste": table("waste", ("quest", "layer", "reason"), Waste()),
            "best": first_of("best", best),
            "wasted": first_of("wasted", wasted),
        }
    names: dict[str, Any] = {}
    for sums in left:
        names = newest_names(names, sums.names)
    return found | {"allocations": table("allocations", ("quest",), Allocation()), "names": names}


@pytest.mark.parametrize("kind", ["cost", "impact", "budget"])
@given(
    steps=st.lists(st.sampled_from(["add", "add", "remove", "roll", "ask"]), max_size=14),
    data=st.data(),
    laid_over=laid_over,
)
def test_it_is_the_sum_of_what_is_left(kind: Kind, steps: list[str], data: st.DataObject, laid_over: int) -> None:
    today, left = TODAY, list[RangeSums]()
    settled = empty(kind, today)
    with sizes(laid_over_rows=laid_over):
        for step in [*steps, "ask"]:
            if step == "add":
                left.append(data.draw(range_sums(kind)))
                settled.add(left[-1])
            elif step == "remove" and left:
                settled.remove(left.pop(data.draw(st.integers(0, len(left) - 1))))
            elif step == "roll":
                today += data.draw(st.sampled_from([1, 2, 40]))
                settled.roll(today)
            else:
                assert told(settled, left, today) == added_up(kind, left, today)


def cost_sums(rows: int = 1, **changes: Any) -> CostSums:
    usual: dict[str, Any] = {"fingerprint": 0, "rejected": {}, "oldest": None, "newest": None}
    return CostSums(rows, **usual | changes)


def test_in_the_end_nothing_is_left() -> None:
    """Not even a key with zeros."""
    key = ("A", "m", "x")
    one = cost_sums(2, rejected={"cost": 1}, spend=[(key, TODAY, usd("0.1")), (key, TODAY - 50, usd("-3"))])
    settled = CostSettled(TODAY, ("cost",))
    settled.add(one)
    settled.roll(TODAY + 45)
    settled.remove(one)

    assert (settled.rows, settled.rejected, settled.spend.present()) == (0, {"cost": 0}, [])
    assert settled.tasks([]).counts(str) == {}


def test_ranges_are_asked_for_only_where_something_was_taken_away() -> None:
    """A refresh that only adds costs what is new."""
    settled = CostSettled(TODAY, ())
    settled.add(cost_sums(first_seen={("A",): 1}, tasks={("A", TODAY): NUMBERS.of(["t"])}))
    nothing: list[CostSums] = []

    assert settled.first_seen(nothing) == {("A",): 1}
    assert settled.tasks(nothing).counts(str) == {"A": (1, 0, 1, 1, 1)}
    assert settled.tasks(nothing) is settled.tasks(nothing)


class TestForgetting:
    """What is asked of young ranges only is forgotten with their days."""

    @pytest.mark.parametrize(("days_ago", "kept"), [(0, True), (1, True), (2, False)])
    def test_single_tasks_are_known_today_and_yesterday(self, days_ago: int, *, kept: bool) -> None:
        settled = CostSettled(TODAY, ())
        end = (TODAY - days_ago + 1) * MICROSECONDS_A_DAY
        sums = cost_sums(task_spend={("t", None): usd("1")}, first_seen={("A", "m"): 1})

        assert settled.forgetting(sums, end).task_spend == (sums.task_spend if kept else {})
        assert settled.forgetting(sums, end).first_seen == sums.first_seen

    @pytest.mark.parametrize(("days_ago", "kept"), [(0, True), (29, True), (30, False)])
    def test_rankings_are_known_for_30_days(self, days_ago: int, *, kept: bool) -> None:
        settled = ImpactSettled(TODAY, (), *LENGTHS)
        end = (TODAY - days_ago + 1) * MICROSECONDS_A_DAY
        one = TaskOutcome("t", "t", None, None, None, Decimal(1), Decimal(1), 0, 0)
        usual: dict[str, Any] = {"rejected": {}, "oldest": None, "newest": None}
        sums = ImpactSums(7, 0, **usual, best=(one,), wasted=(one,), lengths=LENGTHS)
        found = settled.forgetting(sums, end)

        assert (found.best, found.wasted) == (((one,), (one,)) if kept else ((), ()))
        assert (found.rows, found.lengths) == (7, LENGTHS)

    def test_allocations_forget_nothing(self) -> None:
        sums = BudgetSums(1, 0, {}, None, None, names={"x": (TODAY - 400, frozenset({"X"}))})

        assert BudgetSettled(TODAY, ()).forgetting(sums, 0) is sums

    def test_what_has_nothing_to_forget_stays_the_same(self) -> None:
        sums = cost_sums()

        assert CostSettled(TODAY, ()).forgetting(sums, 0) is sums


def test_a_ranking_of_which_the_first_went_is_gathered_again() -> None:
    """And no longer one than there are places."""
    outcomes = [
        TaskOutcome(task, task, None, None, None, Decimal(place), Decimal(1), 0, TODAY * MICROSECONDS_A_DAY)
        for place, task in enumerate("tuvw")
    ]
    ranges = [ImpactSums(1, 0, {}, None, None, best=(one,), lengths=LENGTHS) for one in outcomes]
    settled = ImpactSettled(TODAY, (), *LENGTHS)
    for each in ranges:
        settled.add(each)
    assert [one.task for one in settled.best(ranges)] == ["w", "v"]

    settled.remove(ranges.pop())
    assert [one.task for one in settled.best(ranges)] == ["v", "u"]

    settled.roll(TODAY + RECENT_DAYS)
    assert settled.best(ranges) == ()
