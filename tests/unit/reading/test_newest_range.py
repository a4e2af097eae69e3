"""The newest range: where it begins and ends, and when its older rows are settled."""

from __future__ import annotations

import pytest

from exporter.reading.newest_range import newest_end, newest_start, settled_start
from exporter.reading.tuning import Tuning
from exporter.sums.days import MICROSECONDS_A_DAY
from exporter.sums.ranges import BEGINNING
from tests.support.plain_ledger import MIDNIGHT, MINUTE, QUESTION
from tests.support.plain_ledger import NOON_MICROSECONDS as NOON

TUNING = Tuning(newest_rows=4, newest_seconds=60, newest_full=1.25)


def rows(*instants: int) -> list[tuple[int, int]]:
    return list(enumerate(instants))


def test_it_ends_with_tomorrow() -> None:
    """So that midnight finds the next day read."""
    assert newest_end(QUESTION) == MIDNIGHT + 2 * MICROSECONDS_A_DAY


class TestStart:
    @pytest.mark.parametrize("cut", [(0, None), (3, NOON)])
    def test_few_rows_are_all_in_it(self, cut: tuple[int, int | None]) -> None:
        assert newest_start(cut, QUESTION, TUNING, of_days=False) == BEGINNING

    @pytest.mark.parametrize(
        ("oldest", "start"),
        [(NOON - 5 * MINUTE, NOON - 5 * MINUTE), (NOON - MINUTE + 1, NOON - MINUTE), (NOON, NOON - MINUTE)],
    )
    def test_it_begins_with_so_many_rows_and_a_minute_ago_at_least(self, oldest: int, start: int) -> None:
        assert newest_start((4, oldest), QUESTION, TUNING, of_days=False) == start

    @pytest.mark.parametrize(
        ("oldest", "start"),
        [
            (MIDNIGHT, MIDNIGHT - MICROSECONDS_A_DAY),
            (MIDNIGHT - 3 * MICROSECONDS_A_DAY, MIDNIGHT - 3 * MICROSECONDS_A_DAY),
            (MIDNIGHT - 3 * MICROSECONDS_A_DAY + 7, MIDNIGHT - 3 * MICROSECONDS_A_DAY),
        ],
    )
    def test_of_days_it_begins_with_one_and_yesterday_at_least(self, oldest: int, start: int) -> None:
        assert newest_start((4, oldest), QUESTION, TUNING, of_days=True) == start


class TestSettling:
    def test_a_range_that_is_hardly_larger_stays(self) -> None:
        """Else every row would settle another one."""
        five = rows(*(NOON - hours * 60 * MINUTE for hours in range(1, 6)))

        assert settled_start(five, 7, QUESTION, TUNING, of_days=False) == 7

    def test_one_that_is_full_keeps_its_newest_rows(self) -> None:
        six = rows(*(NOON - hours * 60 * MINUTE for hours in range(1, 7)))

        assert settled_start(six, 7, QUESTION, TUNING, of_days=False) == NOON - 4 * 60 * MINUTE

    def test_rows_of_the_last_minute_stay_however_many(self) -> None:
        many = rows(*(NOON - second * 1_000_000 for second in range(50)), NOON - 2 * MINUTE)

        assert settled_start(many, 7, QUESTION, TUNING, of_days=False) == NOON - MINUTE

    def test_it_never_begins_earlier_than_before(self) -> None:
        many = rows(*(NOON - second * 1_000_000 for second in range(50)))

        assert settled_start(many, NOON - MINUTE // 2, QUESTION, TUNING, of_days=False) == NOON - MINUTE // 2

    def test_rows_of_one_instant_stay_together(self) -> None:
        many = rows(*[NOON - 9 * MINUTE] * 6, NOON - 8 * MINUTE)

        assert settled_start(many, 7, QUESTION, TUNING, of_days=False) == NOON - 9 * MINUTE
