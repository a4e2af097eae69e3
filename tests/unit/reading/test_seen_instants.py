"""Seen instants: rows that are new are told from rows that were there, by nothing but their instants."""

from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from exporter.reading.seen_instants import SeenInstants

instants = st.lists(st.integers(0, 40), max_size=15)


def seen(*instants: int, since: int = 0) -> SeenInstants:
    made = SeenInstants(since)
    made.see(since, 100, instants)
    return made


class TestSeeing:
    def test_at_first_all_are_new(self) -> None:
        assert SeenInstants(0).see(0, 10, [3, 1, 3]) == [1, 3, 3]

    def test_afterwards_only_those_that_came(self) -> None:
        made = seen(1, 3, 3)

        assert made.see(0, 10, [3, 1, 3]) == []
        assert made.see(0, 10, [3, 1, 3, 3, 5]) == [3, 5]

    def test_those_that_went_are_forgotten(self) -> None:
        made = seen(1, 3)
        made.see(0, 10, [3])

        assert made.see(0, 10, [1, 3]) == [1]

    def test_a_span_tells_nothing_of_what_is_outside(self) -> None:
        made = seen(1, 5, 10)

        assert made.see(5, 10, [5, 6]) == [6]
        assert made.see(0, 100, [1, 5, 6, 10]) == []

    def test_what_lies_before_what_is_known_is_not_new(self) -> None:
        """It may have been there."""
        assert SeenInstants(5).see(0, 10, [4, 5]) == [5]

    def test_older_spans_are_taken_in_where_they_join_what_is_known(self) -> None:
        made = seen(7, since=5)
        made.see_older(3, 5, [4, 3])
        assert made.since == 3
        assert made.see(0, 100, [3, 4, 7]) == []

        made.see_older(0, 2, [1])
        assert made.since == 3

    @given(instants, instants, st.integers(0, 40), st.integers(0, 40))
    def test_the_new_ones_are_the_difference(self, before: list[int], now: list[int], one: int, other: int) -> None:
        start, end = sorted((one, other))
        made = seen(*before)
        within = [[at for at in some if start <= at < end] for some in (before, now)]

        assert Counter(made.see(start, end, within[1])) == Counter(within[1]) - Counter(within[0])
        outside = [at for at in before if not start <= at < end]
        assert made.see(0, 100, [*outside, *within[1]]) == []


class TestForgetting:
    def test_what_is_too_old_is_forgotten(self) -> None:
        made = seen(1, 5, 9)
        made.forget(5, 10)

        assert made.since == 5
        assert made.see(0, 100, [1, 2, 5, 6, 9]) == [6]

    @given(instants, st.integers(0, 10))
    def test_no_more_are_kept_than_wanted_and_none_of_an_instant_half(self, instants: list[int], most: int) -> None:
        """Half of them would make the others new."""
        made = seen(*instants)
        made.forget(0, most)
        kept = sorted(at for at in instants if at >= made.since)

        assert len(kept) <= most
        assert made.see(0, 100, instants) == []
        more = sorted(instants)[-most - 1 :] if most < len(instants) else []
        assert not more or more[0] < made.since
