"""Late ids: rows are found that came, went or moved, as long as a transaction may bring one, and not longer."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.ledgers.span import Span
from exporter.reading.late_ids import Differences, LateIds, Mark
from exporter.reading.tuning import Tuning

TUNING = Tuning(
    late_rows=4,
    overlap_ids=3,
    mark_seconds=60,
    mark_seconds_without_snapshot=600,
    floor_step=2,
    max_late_ids=8,
)


def late_ids(largest: int = 10, *known: tuple[int, int]) -> LateIds:
    """Late ids, of which some are known with their instants."""
    made = LateIds(largest, TUNING)
    made.settle(known, Span(0, 1000))
    return made


def counted(*ids: int) -> tuple[int, int]:
    return len(ids), sum(ids)


class TestKnowing:
    def test_the_largest_ids_are_looked_at_from_the_beginning(self) -> None:
        """Sequences hand out cached ids late."""
        made = late_ids(10)

        assert made.floor == 7
        assert [made.knows(row, 0) for row in (6, 7, 8)] == [True, True, False]

    def test_number_and_sum_tell_that_nothing_came(self) -> None:
        made = late_ids(10, (8, 100), (9, 200))

        assert made.are_as_known(*counted(8, 9), read=[])
        assert not made.are_as_known(*counted(8, 9, 10), read=[])
        assert not made.are_as_known(*counted(8), read=[])
        assert not made.are_as_known(*counted(8, 10), read=[])

    def test_rows_that_were_read_are_no_late_ones(self) -> None:
        """The newest range has them; one that is known and read is counted once, one below the floor not at all."""
        made = late_ids(10, (8, 100))

        assert made.are_as_known(*counted(8, 11, 12), read={11: 900, 12: 901, 8: 100, 5: 902}.items())

    def test_all_rows_of_a_span_take_the_place_of_those_known_there(self) -> None:
        made = late_ids(10, (8, 100), (9, 200), (11, 199))
        made.settle([(9, 150)], Span(150, 201))

        assert made.are_as_known(*counted(8, 9), read=[])
        assert made.differences([(8, 100), (9, 150)], []).late == set()

    def test_rows_without_an_id_are_not_looked_at(self) -> None:
        made = late_ids(10, (8, 100))
        made.settle([(None, 300), (9, 300)], Span(300, 400))

        assert made.are_as_known(*counted(8, 9, 12), read=[(None, 900), (12, 900)])
        assert made.knows(None, 500)

    def test_rows_that_share_an_id_are_all_known(self) -> None:
        made = late_ids(10, (8, 100), (8, 100), (8, 200))

        assert made.are_as_known(*counted(8, 8, 8), read=[])
        assert made.differences([(8, 100), (8, 100), (8, 200)], []) == Differences(frozenset(), [], None)
        assert made.differences([(8, 100), (8, 200), (8, 300)], []) == Differences(frozenset({(8, 300)}), [100], None)
        assert made.differences([(8, 100), (8, 100), (8, 200), (8, 200)], []).gone == [200]


class TestDifferences:
    def test_rows_that_came_went_and_moved(self) -> None:
        made = late_ids(10, (8, 100), (9, 200), (11, 300))
        found = made.differences([(8, 100), (9, 250), (12, 400)], [])

        assert (found.late, sorted(found.gone), found.last) == ({(9, 250), (12, 400)}, [200, 300], None)

    def test_a_row_that_moved_into_what_was_read_has_gone_from_where_it_was(self) -> None:
        found = late_ids(10, (8, 100)).differences([], [(8, 900)])

        assert (found.late, found.gone) == (set(), [100])

    def test_a_known_row_that_was_read_where_it_is_has_not_gone(self) -> None:
        found = late_ids(10, (8, 100)).differences([], [(8, 100)])

        assert (found.late, found.gone) == (set(), [])

    def test_nothing_is_said_of_what_was_not_looked_at(self) -> None:
        """A row above the last one that was asked for may be there."""
        made = late_ids(10, (8, 100), (30, 200))
        rows = [(row, 500) for row in range(9, 15)]
        assert len(rows) == made.most
        found = made.differences(rows, [])

        assert (found.late, found.gone, found.last) == (set(rows), [100], 14)
        made.learn(rows)
        assert made.has_more
        assert not made.differences([*rows, (30, 200)], []).late

    def test_all_is_known_once_less_came_than_was_asked_for(self) -> None:
        made = late_ids(10)
        made.learn([(row, 500) for row in range(8, 12)])
        assert made.has_more
        made.learn([(row, 500) for row in range(8, 14)])
        assert not made.has_more

        made.learn([(row, 500) for row in range(8, 18)])
        assert made.has_more
        made.confirm()
        assert not made.has_more

    @given(
        st.lists(st.lists(st.tuples(st.integers(8, 30), st.integers(0, 5)), max_size=12), max_size=5),
        st.sets(st.integers(0, 5), max_size=2),
    )
    def test_after_some_looks_everything_is_known(self, ledgers: list[list[tuple[int, int]]], newest: set[int]) -> None:
        """Whatever rows come, go and move: what was found makes of the known rows those there are."""
        made = late_ids(10)
        known: Counter[tuple[int, int]] = Counter()
        for ledger in ledgers:
            read = [row for row in ledger if row[1] in newest]
            late = sorted(row for row in ledger if row[1] not in newest)
            for _ in range(12):
                if made.are_as_known(*counted(*(row for row, _ in ledger)), read=read) and known == Counter(late):
                    made.confirm()
                    break
                rows = late[: made.most]
                found = made.differences(rows, read)
                made.learn(rows)
                known += Counter(row for row in late if row in found.late)
                for at in {*found.gone}:  # the range is read again
                    again = [row for row in late if row[1] == at]
                    known = Counter({row: number for row, number in known.items() if row[1] != at}) + Counter(again)
                    made.settle(again, Span(at, at + 1))
            assert known == Counter(late)
            assert not made.has_more
            assert made.are_as_known(*counted(*(row for row, _ in ledger)), read=read)


class TestFloor:
    def advance(self, made: LateIds, at: float, largest: int, xmax: int | None = None, xmin: int | None = None) -> bool:
        return made.advance(Mark(xmax, largest, at), xmin)

    def test_it_rises_to_a_mark_once_all_transactions_of_before_have_ended(self) -> None:
        made = late_ids(10)
        self.advance(made, 0, 20, xmax=5)
        self.advance(made, 60, 30, xmax=6, xmin=4)
        assert made.floor == 7, "one of before is open"

        self.advance(made, 61, 31, xmax=7, xmin=5)
        assert made.floor == 20

    def test_it_does_not_rise_before_the_mark_is_a_minute_old(self) -> None:
        """A transaction may draw an id some time before it gets its own number."""
        made = late_ids(10)
        self.advance(made, 0, 20, xmax=5)
        self.advance(made, 59.9, 30, xmax=9, xmin=9)
        assert made.floor == 7

        self.advance(made, 60, 30, xmax=9, xmin=9)
        assert made.floor == 20

    @pytest.mark.parametrize(("at", "floor"), [(599.9, 7), (600, 20)])
    def test_without_snapshots_it_waits_longer(self, at: float, floor: int) -> None:
        made = late_ids(10)
        self.advance(made, 0, 20)
        self.advance(made, at, 30)

        assert made.floor == floor

    def test_it_stays_below_the_largest_ids(self) -> None:
        made = late_ids(10)
        self.advance(made, 0, 20, xmax=5)
        self.advance(made, 60, 21, xmax=9, xmin=9)

        assert made.floor == 21 - 3

    def test_it_rises_in_steps(self) -> None:
        """Raising it costs a look at all that are known."""
        made = late_ids(10)
        self.advance(made, 0, 8, xmax=5)
        self.advance(made, 60, 30, xmax=9, xmin=9)

        assert made.floor == 7

    def test_what_is_below_it_is_forgotten(self) -> None:
        made = late_ids(10, (8, 100), (9, 200), (25, 300))
        self.advance(made, 0, 20, xmax=5)
        self.advance(made, 60, 30, xmax=9, xmin=9)

        assert made.are_as_known(*counted(25), read=[])
        assert made.knows(9, 200)

    def test_what_was_not_looked_at_yet_stays_above_it(self) -> None:
        made = late_ids(10)
        rows = [(row, 500) for row in range(8, 12)]
        made.learn(rows)
        assert made.has_more
        self.advance(made, 0, 500, xmax=5)
        self.advance(made, 60, 600, xmax=9, xmin=9)

        assert made.floor == 11

    def test_a_transaction_that_is_open_for_ever_is_overlooked_once_there_is_too_much(self) -> None:
        made = late_ids(10, *((row, 100) for row in range(8, 17)))
        assert not self.advance(late_ids(10, (8, 100)), 0, 20, xmax=5)
        assert self.advance(made, 0, 20, xmax=5)
        assert self.advance(made, 599, 30, xmax=9, xmin=1)
        assert made.floor == 7

        self.advance(made, 600, 30, xmax=9, xmin=1)
        assert made.floor == 20
