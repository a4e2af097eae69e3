"""Updates: rows that were updated are found, however late their transactions brought them."""

from __future__ import annotations

from collections.abc import Sequence

from hypothesis import assume, given
from hypothesis import strategies as st

from exporter.reading.tuning import Tuning
from exporter.reading.updates import Updates

HOUR = 3600 * 1_000_000
NOW = 100 * HOUR
TUNING = Tuning(max_updates=6)

Rows = Sequence[tuple[str | None, int, int]]


def updates(*known: tuple[str | None, int, int], tuning: Tuning = TUNING) -> Updates:
    made = Updates(tuning, NOW)
    made.take_in([], list(known), NOW)
    return made


class TestNew:
    def test_it_begins_an_hour_ago(self) -> None:
        made = updates()

        assert made.since == made.latest == NOW - HOUR

    def test_a_row_that_was_updated_is_read_where_it_is_and_where_it_was(self) -> None:
        made = updates(("1", NOW, 50))
        new: Rows = [("1", NOW + 5, 70), ("2", NOW + 3, 60)]

        assert sorted(made.changed(list(new), None)) == [50, 60, 70]
        made.take_in(list(new), None, NOW)
        assert made.latest == NOW + 5
        assert made.are_as_known(2, 2 * NOW + 8, [])

    def test_rows_of_one_id_are_told_apart(self) -> None:
        """Keys of a view, say, are not always."""
        made = updates()
        new: Rows = [("1", NOW + 1, 50), ("1", NOW + 2, 60)]
        made.take_in(list(new), None, NOW)

        assert made.are_as_known(2, 2 * NOW + 3, [])

    def test_rows_without_an_id_are_told_apart_by_their_instants(self) -> None:
        made = updates((None, NOW, 50), (None, NOW, 50), (None, NOW, 60))

        assert made.are_as_known(3, 3 * NOW, [])
        assert made.changed([], [(None, NOW, 50), (None, NOW, 60)]) == [50]


class TestOverlooked:
    def test_number_and_sum_tell_that_none_was(self) -> None:
        made = updates(("1", NOW, 50), ("2", NOW - 1, 60))

        assert made.are_as_known(2, 2 * NOW - 1, [])
        assert not made.are_as_known(3, 3 * NOW - 3, [])
        assert not made.are_as_known(1, NOW, [])

    def test_a_row_that_was_updated_again_is_not_missed_where_it_was(self) -> None:
        made = updates(("1", NOW, 50), ("2", NOW - 1, 60))

        assert made.are_as_known(1, NOW, [("2", NOW + 9, 60)])

    def test_all_of_the_last_hour_tell_what_was(self) -> None:
        made = updates(("1", NOW, 50), ("2", NOW - 1, 60))
        everything: Rows = [("1", NOW, 50), ("3", NOW - 2, 70)]

        assert sorted(made.changed([], list(everything))) == [60, 70]
        made.take_in([], list(everything), NOW)
        assert made.are_as_known(2, 2 * NOW - 2, [])

    def test_a_row_that_moved_is_read_at_both_instants(self) -> None:
        made = updates(("1", NOW, 50))

        assert sorted(made.changed([("1", NOW + 1, 55)], None)) == [50, 55]
        assert sorted(made.changed([], [("1", NOW - 1, 55)])) == [50, 55]


class TestForgetting:
    def test_what_was_updated_an_hour_ago_is_forgotten(self) -> None:
        made = updates(("1", NOW, 50), ("2", NOW - HOUR + 1, 60))
        made.take_in([], None, NOW + 1)

        assert made.since == NOW + 1 - HOUR
        assert made.are_as_known(1, NOW, [])

    def test_a_clock_that_is_set_back_forgets_nothing(self) -> None:
        made = updates(("1", NOW, 50))
        made.take_in([], None, NOW - HOUR)

        assert made.since == NOW - HOUR
        assert made.are_as_known(1, NOW, [])

    def test_of_very_many_the_latest_are_known(self) -> None:
        made = updates()
        for place in range(4):
            new = [(f"{place} {row}", NOW + 10 * place + row, 50) for row in range(2)]
            made.take_in(new, None, NOW)

        assert made.since > NOW
        assert made.latest == NOW + 31
        later = [updated for place in range(4) for row in range(2) if (updated := NOW + 10 * place + row) > made.since]
        assert 0 < len(later) <= TUNING.max_updates
        assert made.are_as_known(len(later), sum(later), [])

    def test_an_answer_that_may_be_cut_is_known_from_its_oldest_row_on(self) -> None:
        made = Updates(TUNING, NOW)
        cut = [(str(row), NOW - row, 50) for row in range(6)]
        assert made.is_cut(cut)
        assert not made.is_cut(cut[1:])
        made.take_in([], cut, NOW)

        assert (made.since, made.latest) == (NOW - 5, NOW)


states = st.lists(
    st.dictionaries(st.sampled_from("abcd"), st.integers(NOW - 50, NOW + 50), max_size=4), min_size=1, max_size=6
)


@given(states)
def test_whatever_is_updated_is_read_where_it_is_and_where_it_was(states: list[dict[str, int]]) -> None:
    """Rows come, go, and say that they were updated at any time, earlier too; with each update they move."""
    made, known = Updates(TUNING, NOW), dict[str, int]()
    for now in states:
        rows = [(row, updated, updated % 10) for row, updated in now.items()]
        new = [row for row in rows if row[1] > made.latest]
        old = [updated for _, updated, _ in rows if made.since < updated <= made.latest]
        is_as_known = made.are_as_known(len(old), sum(old), new)
        moved = [row for row in now.keys() | known.keys() if now.get(row) != known.get(row)]
        assume(
            not is_as_known or all(row in {name for name, *_ in new} for row in moved)
        )  # two that make up for each other
        everything = None if is_as_known else rows
        instants = set(made.changed(new, everything))
        made.take_in(new, everything, NOW)

        assert instants == {each[row] % 10 for row in moved for each in (now, known) if row in each}
        known = now
