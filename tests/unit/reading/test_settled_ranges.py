"""Settled ranges: they tile time within days, and their totals are always those of all of them."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.config import BudgetLedger, ImpactLedger, WasteConfig
from exporter.ledgers.budget import Budget
from exporter.ledgers.impact import Impact
from exporter.ledgers.question import Question
from exporter.ledgers.span import Span
from exporter.reading.pieces import Piece
from exporter.reading.settled_ranges import SettledRanges
from exporter.reading.tuning import Tuning
from exporter.sums.days import MICROSECONDS_A_DAY
from exporter.sums.ranges import BEGINNING, Range
from tests.support.plain_ledger import HOUR, MIDNIGHT, MINUTE, QUESTION, PlainLedger
from tests.support.snapshots import NOON, TODAY

DAY = MICROSECONDS_A_DAY
TUNING = Tuning(range_rows=8, settling_range_rows=3, settling_seconds=3600, ledger_share=1000)
LATER = MIDNIGHT + 9 * DAY
"""All that is tried here was settled long before."""


def settled(end: int = MIDNIGHT, ledger: Any = None, tuning: Tuning = TUNING) -> SettledRanges[Any]:
    return SettledRanges(PlainLedger() if ledger is None else ledger, tuning, TODAY, end)


def rows(*instants: int, first: int = 1) -> list[Any]:
    return [(row, at, 1, "q", "p", "m", "t", "1", 1, 1) for row, at in enumerate(instants, first)]


def spans(ranges: Any) -> list[tuple[int, int, int]]:
    return [(each.start, each.end, each.sums.rows) for each in ranges]


def check(made: SettledRanges[Any]) -> None:
    """Check that totals are those of all ranges."""
    assert made.totals.rows == sum(each.sums.rows for each in made)
    assert [each.start for each in made][1:] == [each.end for each in made][:-1]


def filled(*days_ago: float, a_day: int = 3) -> SettledRanges[Any]:
    """Ranges made of rows of some days."""
    made = settled()
    instants = [int(MIDNIGHT - ago * DAY + place * MINUTE) for ago in days_ago for place in range(a_day)]
    made.put(BEGINNING, MIDNIGHT, made.made_of(rows(*instants), Span(BEGINNING, MIDNIGHT), QUESTION, 8))
    return made


instants = st.lists(
    st.integers(0, 4 * DAY - 1) | st.sampled_from([0, DAY - 1, DAY, DAY + 1, 3 * DAY, 4 * DAY - 1]), max_size=30
)


class TestMaking:
    @given(instants, st.integers(1, 6))
    def test_ranges_tile_a_span_and_hold_its_rows(self, instants: list[int], size: int) -> None:
        ranges = settled().made_of(rows(*instants), Span(0, 4 * DAY), QUESTION, size)

        assert (ranges[0].start, ranges[-1].end) == (0, 4 * DAY)
        assert all(one.end == other.start and one.start < one.end for one, other in pairwise(ranges))
        for each in ranges:
            within = [at for at in instants if each.start <= at < each.end]
            assert each.sums.rows == len(within)
            assert each.sums.oldest == min(within, default=None)
            assert each.start // DAY == (each.end - 1) // DAY or not within, "within a day"
            assert len(within) <= size or len([at for at in within if at != max(within)]) < size, "but for one instant"

    @given(instants, st.integers(1, 6))
    def test_those_of_a_ledger_of_days_begin_with_days(self, instants: list[int], size: int) -> None:
        allocations = [(None, at // DAY * DAY, 1, "q", "Q", "1", "1") for at in instants]
        made = settled(ledger=Budget(BudgetLedger(source="main")))
        ranges = made.made_of(allocations, Span(0, 4 * DAY), QUESTION, size)

        assert (ranges[0].start, ranges[-1].end) == (0, 4 * DAY)
        assert all(one.end == other.start and one.end % DAY == 0 for one, other in pairwise(ranges))
        assert sum(each.sums.rows for each in ranges) == len(instants)

    def test_a_time_without_rows_is_one_range_however_long(self) -> None:
        ranges = settled().made_of(rows(MIDNIGHT - 5), Span(BEGINNING, MIDNIGHT), QUESTION, 8)

        assert spans(ranges) == [(BEGINNING, MIDNIGHT - DAY, 0), (MIDNIGHT - DAY, MIDNIGHT, 1)]

    def test_no_rows_are_one_empty_range(self) -> None:
        assert spans(settled().made_of([], Span(3, 9), QUESTION, 8)) == [(3, 9, 0)]

    def test_ranges_were_read_now(self) -> None:
        assert {each.verified for each in filled(1, 2)} == {NOON.timestamp()}

    def test_outcomes_that_are_still_scored_are_in_small_ranges(self) -> None:
        """Each score reads one of them again."""
        updated = ImpactLedger(source="main", columns={"updated_at": "updated_at"})
        ledger = Impact(updated, WasteConfig(), 5)
        question = Question(NOON, timedelta(hours=24))
        made = settled(ledger=ledger)
        limit = round((NOON - timedelta(hours=25)).timestamp()) * 1_000_000

        assert [made.size_at(end, question) for end in (limit, limit + 1)] == [8, 3]
        assert settled().size_at(limit + 1, question) == 8

    def test_a_large_ledger_has_larger_ranges_not_more(self) -> None:
        made = settled(tuning=replace(TUNING, ledger_share=2))
        made.put(0, MIDNIGHT, made.made_of(rows(*range(40)), Span(0, MIDNIGHT), QUESTION, 8))

        assert made.range_rows == 20


class TestPutting:
    def test_totals_follow(self) -> None:
        made = filled(1, 2, 3)
        check(made)
        assert made.is_complete

        each = made.tiling[1]
        made.put(each.start, each.end, [made.empty(each.start, each.end, QUESTION)])
        check(made)
        assert made.totals.rows == 6

    def test_a_piece_that_is_all_of_a_range_takes_its_place(self) -> None:
        made = filled(1, 2)
        each = made.tiling.find(MIDNIGHT - DAY)
        assert each is not None

        assert made.put_piece(each, Piece(Span(each.start, each.end), rows(each.start)), QUESTION) == set()
        check(made)
        assert made.totals.rows == 4

    def test_what_is_left_of_a_range_is_still_to_be_read(self) -> None:
        made = filled(1, 2)
        each = made.tiling.find(MIDNIGHT - DAY)
        assert each is not None
        middle = each.start + HOUR

        assert made.put_piece(each, Piece(Span(middle, each.end), rows(middle)), QUESTION) == {each.start}
        check(made)
        assert spans(made.tiling.between(each.start, each.end)) == [(each.start, middle, 0), (middle, each.end, 1)]


class TestLateRows:
    def test_they_are_added_to_the_ranges_they_are_of(self) -> None:
        made = filled(1, 2)
        before = spans(made)

        assert made.add_late(rows(MIDNIGHT - DAY + HOUR, MIDNIGHT - DAY, MIDNIGHT - 2 * DAY), QUESTION) == set()
        check(made)
        assert [each[:2] for each in spans(made)] == [each[:2] for each in before]
        assert [count for *_, count in spans(made)] == [0, 4, 5]

    def test_a_range_is_as_old_as_before(self) -> None:
        """Its other rows were not looked at."""
        made = filled(1)
        for each in made:
            each.verified = 5.0
        made.add_late(rows(MIDNIGHT - DAY), QUESTION)

        assert {each.verified for each in made} == {5.0}

    def test_what_is_not_loaded_is_left_alone(self) -> None:
        made = settled()
        made.put(MIDNIGHT - DAY, MIDNIGHT, [made.empty(MIDNIGHT - DAY, MIDNIGHT, QUESTION)])

        assert made.add_late(rows(MIDNIGHT - DAY - 1, MIDNIGHT), QUESTION) == set()
        assert made.totals.rows == 0

    def test_a_range_that_outgrew_its_size_is_to_be_read_again(self) -> None:
        made = filled(1)
        start = MIDNIGHT - DAY

        assert made.add_late(rows(*[start] * 13), QUESTION) == set()
        assert made.add_late(rows(start + 1), QUESTION) == {start}
        check(made)

    def test_so_is_an_empty_one_of_many_days(self) -> None:
        made = filled(1)

        assert made.add_late(rows(MIDNIGHT - 9 * DAY), QUESTION) == {BEGINNING}
        check(made)


class TestJoining:
    def joined(self, *edges_and_rows: tuple[int, int, int], limit: int = LATER) -> list[tuple[int, int, int]]:
        made = settled(end=edges_and_rows[-1][1])
        ranges: list[Range[Any]] = [
            made.made_of(rows(*[start] * count), Span(start, end), QUESTION, 100)[0]
            if count
            else made.empty(start, end, QUESTION)
            for start, end, count in edges_and_rows
        ]
        made.put(ranges[0].start, ranges[-1].end, ranges)
        before = made.totals.rows
        made.join(ranges, limit)
        check(made)
        assert made.totals.rows == before
        return spans(made)

    def test_small_neighbours_of_a_day_become_one(self) -> None:
        assert self.joined((0, 5, 2), (5, 9, 3), (9, 20, 1)) == [(0, 20, 6)]

    def test_up_to_so_many_rows(self) -> None:
        assert self.joined((0, 5, 4), (5, 9, 4), (9, 20, 1)) == [(0, 9, 8), (9, 20, 1)]

    def test_not_across_midnight(self) -> None:
        assert self.joined((0, DAY, 2), (DAY, DAY + 9, 2)) == [(0, DAY, 2), (DAY, DAY + 9, 2)]

    def test_times_without_rows_of_any_days_become_one(self) -> None:
        assert self.joined((0, DAY, 0), (DAY, 3 * DAY, 0), (3 * DAY, 4 * DAY, 0)) == [(0, 4 * DAY, 0)]

    def test_an_empty_time_does_not_lead_rows_across_midnight(self) -> None:
        """A range begins empty when its rows were deleted."""
        assert self.joined((0, 5, 0), (5, DAY, 2), (DAY, 9 * DAY, 0)) == [(0, DAY, 2), (DAY, 9 * DAY, 0)]

    def test_while_they_may_change_they_stay_small(self) -> None:
        assert self.joined((0, 5, 2), (5, 9, 1), (9, 20, 1), limit=9) == [(0, 9, 3), (9, 20, 1)]

    def test_only_neighbours_do(self) -> None:
        made = settled(end=30)
        ranges = [made.empty(start, start + 10, QUESTION) for start in (0, 10, 20)]
        made.put(0, 30, ranges)
        made.join([ranges[0], ranges[2]], LATER)

        assert spans(made) == [(0, 10, 0), (10, 20, 0), (20, 30, 0)]

    def test_a_joined_range_is_as_old_as_its_oldest(self) -> None:
        made = settled(end=20)
        ranges = [made.empty(start, start + 10, QUESTION) for start in (0, 10)]
        ranges[0].verified = 7.0
        made.put(0, 20, ranges)
        made.join(ranges, LATER)

        assert [each.verified for each in made] == [7.0]


class TestWhatIsToBeReadAgain:
    def test_ranges_are_found_by_instants_and_those_outside_are_none(self) -> None:
        made = filled(1)

        assert made.starts_of([MIDNIGHT - 1, MIDNIGHT - DAY, MIDNIGHT - DAY - 1, MIDNIGHT]) == {
            MIDNIGHT - DAY, BEGINNING,
        }  # fmt: skip

    def test_starts_of_ranges_that_are_gone_are_dropped(self) -> None:
        made = filled(1)

        assert made.still_there({MIDNIGHT - DAY, MIDNIGHT - DAY + 1, MIDNIGHT}) == {MIDNIGHT - DAY}

    def test_ranges_in_which_outcomes_cease_to_be_pending(self) -> None:
        question = Question(NOON, timedelta(hours=24))
        made = settled(ledger=Impact(ImpactLedger(source="main"), WasteConfig(), 5))
        pending = [(row, MIDNIGHT - row * HOUR, 1, "q", "l", "t", "", "1", None, 1) for row in (1, 30)]
        made.put(BEGINNING, MIDNIGHT, made.made_of(pending, Span(BEGINNING, MIDNIGHT), question, 8))
        yesterday = MIDNIGHT - DAY

        assert made.with_expired_pending(MIDNIGHT - 2 * HOUR, MIDNIGHT - HOUR - 1) == set()
        assert made.with_expired_pending(MIDNIGHT - 2 * HOUR, MIDNIGHT - HOUR) == {yesterday}
        assert made.with_expired_pending(MIDNIGHT - 40 * HOUR, MIDNIGHT - 20 * HOUR) == set(), (
            "those of before are over"
        )
        assert made.with_expired_pending(MIDNIGHT - HOUR, MIDNIGHT - HOUR) == set()
        assert made.with_expired_pending(MIDNIGHT - HOUR, yesterday) == {yesterday}, "the clock was set back"

    def test_the_range_in_which_the_ledger_begins_where_it_did_not_before(self) -> None:
        made = filled(1, 2)

        assert made.pruned(MIDNIGHT - 2 * DAY) == set()
        assert made.pruned(MIDNIGHT - 2 * DAY + MINUTE) == {MIDNIGHT - 2 * DAY}
        assert made.pruned(None) == made.pruned(MIDNIGHT + DAY) == set()

    @pytest.mark.parametrize(("oldest", "left"), [(MIDNIGHT - DAY, 3), (MIDNIGHT, 0), (None, 0)])
    def test_what_lies_before_the_oldest_row_is_emptied(self, oldest: int | None, left: int) -> None:
        made = filled(1, 2, 3)
        made.empty_before(oldest, QUESTION)

        check(made)
        assert made.totals.rows == left
        assert made.is_complete

    def test_ranges_that_were_replaced_are_not_known_any_more(self) -> None:
        made = filled(1, 2)
        first, second, *_ = made
        made.put(first.start, first.end, [made.empty(first.start, first.end, QUESTION)])

        assert made.still_known([first, second]) == [second]
