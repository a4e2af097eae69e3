"""Ranges: they tile time, and what is kept packed is what was read."""

from __future__ import annotations

from decimal import Decimal
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.sums.range_sums import CostSums, RangeSums
from exporter.sums.ranges import BEGINNING, END, Range, Tiling
from tests.support.snapshots import TODAY, usd
from tests.support.table_rows import Kind, exactly, range_sums

decimals = st.decimals(allow_nan=False, allow_infinity=False) | st.sampled_from(
    [Decimal("-0"), Decimal("0E-30"), Decimal("1E+131000"), Decimal("1." + "0" * 400 + "1")]
)
kinds = pytest.mark.parametrize("kind", ["cost", "impact", "budget"])


def sums(rows: int = 0, **changes: Any) -> CostSums:
    return CostSums(**{"rows": rows, "fingerprint": 0, "rejected": {}, "oldest": None, "newest": None} | changes)


def span(start: int, end: int) -> Range[CostSums]:
    return Range.of(start, end, sums(), 0.0)


def tiling(*edges: int) -> Tiling[CostSums]:
    made = Tiling[CostSums](edges[-1])
    made.replace(edges[0], edges[-1], [span(*pair) for pair in pairwise(edges)])
    return made


def spans(ranges: Any) -> list[tuple[int, int]]:
    return [(each.start, each.end) for each in ranges]


edges = st.sets(st.integers(0, 60), min_size=2, max_size=10).map(sorted)


class TestRange:
    @kinds
    @given(data=st.data())
    def test_a_range_gives_back_its_sums_to_the_last_digit(self, kind: Kind, data: st.DataObject) -> None:
        read: RangeSums = data.draw(range_sums(kind, decimals))

        assert exactly(Range.of(0, 10, read, 99.0).full_sums()) == exactly(read)

    def test_its_tables_are_kept_packed_alone(self) -> None:
        rows = [(("A", "m", None), TODAY, usd("1.10", 5, 6))]
        refunds = [(("A", "m", None), TODAY, usd("-1"))]
        kept = Range.of(0, 10, sums(7, spend=rows, refunds=refunds, first_seen={("A", "m"): 1}), 99.0)

        assert (kept.sums.spend, kept.sums.refunds) == ([], [])
        assert (kept.sums.rows, kept.sums.first_seen, kept.verified) == (7, {("A", "m"): 1}, 99.0)
        assert (kept.full_sums().spend, kept.full_sums().refunds) == (rows, refunds)

    def test_it_is_small(self) -> None:
        rows = [(("MiniMax", "M2", f"q-{n}"), TODAY, usd("0.123456", 1000, 200, 3)) for n in range(1000)]

        assert len(Range.of(0, 10, sums(1000, spend=rows), 0.0).packed) < 10_000

    @kinds
    @given(data=st.data(), verified=st.tuples(st.integers(0, 9), st.integers(0, 9)))
    def test_joined_ranges_have_the_sums_of_both_and_are_as_old_as_the_older(
        self, kind: Kind, data: st.DataObject, verified: tuple[int, int]
    ) -> None:
        one, other = data.draw(range_sums(kind)), data.draw(range_sums(kind))
        joined = Range.of(0, 10, one, verified[0]).joined(Range.of(10, 30, other, verified[1]))

        assert (joined.start, joined.end, joined.verified) == (0, 30, min(verified))
        assert exactly(joined.full_sums()) == exactly(one + other)

    def test_ranges_are_themselves_and_no_others(self) -> None:
        """Two of the same instants and sums are not taken for one another."""
        assert span(0, 10) != span(0, 10)


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
