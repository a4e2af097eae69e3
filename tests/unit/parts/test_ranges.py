"""Ranges: they tile time, and what is kept packed is what was read."""

from __future__ import annotations

from decimal import Decimal
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.parts import TaskOutcome
from exporter.parts.ranges import BEGINNING, END, Packed, Range, RangePart, Tiling, up_to
from tests.support.snapshots import TODAY, usd
from tests.support.table_rows import kinds

decimals = st.decimals(allow_nan=False, allow_infinity=False) | st.sampled_from(
    [Decimal("-0"), Decimal("0E-30"), Decimal("1E+131000"), Decimal("1." + "0" * 400 + "1")]
)


KINDS = kinds(decimals)
keys = st.lists(st.none() | st.text(), max_size=3).map(tuple)
tables = st.fixed_dictionaries(
    {}, optional={name: st.lists(st.tuples(keys, st.integers(-(10**6), 10**6), kind)) for name, kind in KINDS.items()}
)


def exactly(tables: dict[str, list[Any]]) -> dict[str, list[str]]:
    """Tables to the last digit, exponents and types included; the order of their rows is no promise."""
    return {name: sorted(map(repr, rows)) for name, rows in tables.items()}


def part(rows: int = 0, **changes: Any) -> RangePart:
    return RangePart(**{"rows": rows, "rejected": {}, "oldest": None, "newest": None, "tables": {}} | changes)


def span(start: int, end: int) -> Range:
    return Range.of(start, end, part(), 0.0)


def tiling(*edges: int) -> Tiling:
    made = Tiling(edges[-1])
    made.replace(edges[0], edges[-1], [span(*pair) for pair in pairwise(edges)])
    return made


def spans(ranges: Any) -> list[tuple[int, int]]:
    return [(each.start, each.end) for each in ranges]


edges = st.sets(st.integers(0, 60), min_size=2, max_size=10).map(sorted)


class TestPacked:
    @given(tables)
    def test_what_is_unpacked_is_what_was_packed(self, tables: dict[str, list[Any]]) -> None:
        assert exactly(Packed(tables).tables()) == exactly(tables)

    @given(tables, st.randoms())
    def test_equal_rows_make_equal_bytes_in_any_order(self, tables: dict[str, list[Any]], random: Any) -> None:
        """So that what is read again is compared without being unpacked."""
        shuffled = {name: random.sample(rows, len(rows)) for name, rows in tables.items()}

        assert Packed(shuffled).data == Packed(tables).data

    def test_it_is_small(self) -> None:
        rows = [(("MiniMax", "M2", f"q-{n}"), TODAY, usd("0.123456", 1000, 200, 3)) for n in range(1000)]

        assert len(Packed({"spend": rows}).data) < 10_000


class TestRange:
    def test_a_range_gives_back_its_whole_part(self) -> None:
        rows = [(("A", "m", None), TODAY, usd("1.10", 5, 6))]
        read = part(7, rejected={"cost": 1}, oldest=1, newest=2, tables={"spend": rows}, first_seen={("A", "m"): 1})
        kept = Range.of(0, 10, read, 99.0)

        assert kept.full_part() == read
        assert (kept.part.tables, kept.read) == ({}, 99.0)

    def test_single_tasks_and_rankings_are_forgotten_apart(self) -> None:
        outcome = TaskOutcome("t", "t", None, None, None, Decimal(1), Decimal(1), 0, 0)
        kept = Range.of(0, 10, part(7, task_spend={("t", None): usd("1")}, best=(outcome,), wasted=(outcome,)), 0.0)

        kept.forget_single_tasks()
        assert (kept.part.task_spend, kept.part.best) == ({}, (outcome,))
        kept.forget_rankings()
        assert (kept.part.best, kept.part.wasted, kept.part.rows) == ((), (), 7)


class TestTiling:
    def test_an_empty_one_begins_where_it_ends(self) -> None:
        empty = Tiling(10)

        assert (empty.start, empty.end, len(empty), empty.find(9)) == (10, 10, 0, None)

    @given(edges, st.integers(-2, 62))
    def test_an_instant_is_in_the_one_range_that_holds_it(self, edges: list[int], instant: int) -> None:
        found = tiling(*edges).find(instant)
        expected = [pair for pair in pairwise(edges) if pair[0] <= instant < pair[1]]

        assert ([] if found is None else spans([found])) == expected

    @given(edges, st.integers(-2, 62), st.integers(1, 20))
    def test_ranges_between_two_instants_are_those_that_hold_one(self, edges: list[int], start: int, size: int) -> None:
        found = spans(tiling(*edges).between(start, start + size))

        assert found == [pair for pair in pairwise(edges) if pair[0] < start + size and start < pair[1]]

    @given(edges, st.data())
    def test_ranges_are_replaced_by_others_of_the_same_instants(self, edges: list[int], data: st.DataObject) -> None:
        made = tiling(*edges)
        first, last = sorted(data.draw(st.lists(st.sampled_from(edges), min_size=2, max_size=2, unique=True)))
        cuts = data.draw(st.sets(st.integers(first, last), max_size=5)) | {first, last}
        former = made.replace(first, last, [span(*pair) for pair in pairwise(sorted(cuts))])
        kept = {edge for edge in edges if not first < edge < last}

        assert spans(former) == [pair for pair in pairwise(edges) if first <= pair[0] < last]
        assert spans(made) == list(pairwise(sorted(kept | cuts)))
        assert (made.start, made.end) == (edges[0], edges[-1])

    def test_it_grows_at_both_ends(self) -> None:
        made = tiling(10, 20)

        assert made.replace(5, 10, [span(5, 10)]) == []
        assert made.replace(20, 30, [span(20, 25), span(25, 30)]) == []
        assert (spans(made), made.start, made.end) == ([(5, 10), (10, 20), (20, 25), (25, 30)], 5, 30)

    @pytest.mark.parametrize(
        "ranges",
        [
            [],
            [(10, 15), (16, 20)],
            [(10, 16), (15, 20)],
            [(10, 15)],
            [(10, 25)],
            [(11, 20)],
            [(15, 20), (10, 15)],
        ],
    )
    def test_ranges_with_a_gap_or_overlap_are_refused(self, ranges: list[tuple[int, int]]) -> None:
        made = tiling(0, 10, 20, 30)

        with pytest.raises(ValueError, match="gap or overlap"):
            made.replace(10, 20, [span(*each) for each in ranges])
        assert spans(made) == [(0, 10), (10, 20), (20, 30)]

    @pytest.mark.parametrize("former", [(10, 15), (5, 20), (10, 25), (5, 35)])
    def test_a_range_is_replaced_whole_or_not_at_all(self, former: tuple[int, int]) -> None:
        made = tiling(0, 10, 20, 30)

        with pytest.raises(ValueError, match="former ones"):
            made.replace(*former, [span(*former)])
        assert spans(made) == [(0, 10), (10, 20), (20, 30)]

    def test_all_of_time_fits(self) -> None:
        made = tiling(BEGINNING, 0, END)

        assert made.position(BEGINNING) == 0
        assert made.position(END - 1) == 1
        assert made[1].start == 0


def test_rows_of_days_to_come_are_left_out_up_to_today() -> None:
    rows = [((), TODAY + age, usd("1")) for age in (-1, 0, 1)]

    assert up_to(TODAY, rows) == rows[:2]
