"""Lateness: the look-back follows how late rows came in the last hour, within bounds, and does not feed itself."""

from __future__ import annotations

import pytest

from exporter.reading.lateness import Lateness
from exporter.reading.tuning import Tuning

TUNING = Tuning()
LEAST, MOST = TUNING.look_back_min_seconds, TUNING.look_back_max_seconds
NOW = 1_000_000.0


def note(lateness: Lateness, now: float, *ages: float, interval: float = 15.0) -> None:
    """Note rows first seen now, by the seconds they came after their instants."""
    lateness.note(now, now - interval, [round((now - age) * 1_000_000) for age in ages])


def seen(*ages: float) -> Lateness:
    lateness = Lateness(TUNING)
    note(lateness, NOW, *ages)
    return lateness


class TestLookBack:
    def test_without_a_row_it_is_the_least(self) -> None:
        assert Lateness(TUNING).look_back_seconds() == LEAST

    def test_rows_that_are_hardly_late_change_nothing(self) -> None:
        assert seen(*range(400)).look_back_seconds() == LEAST

    def test_it_is_twice_how_late_rows_came_since_the_refresh_before(self) -> None:
        """What was booked since then was not late, but for the time it took."""
        assert seen(3615).look_back_seconds() == 7200

    def test_one_row_in_a_thousand_does_not_count(self) -> None:
        usual = [1.0] * 998

        assert seen(*usual, 36_000).look_back_seconds() == 2 * (36_000 - 15)
        assert seen(*usual, 1.0, 36_000).look_back_seconds() == LEAST
        assert seen(*usual, 36_000, 7215).look_back_seconds() == 2 * 7200

    def test_it_is_a_day_at_most(self) -> None:
        assert seen(400 * 86_400).look_back_seconds() == MOST

    def test_rows_of_the_last_hour_count(self) -> None:
        lateness = seen(3615)
        note(lateness, NOW + 3600, 1)
        assert lateness.look_back_seconds() == 7200

        note(lateness, NOW + 3601, 1)
        assert lateness.look_back_seconds() == LEAST

    def test_a_pause_between_refreshes_makes_no_row_late(self) -> None:
        """Rows that were booked while the exporter was away count from the refresh before."""
        lateness = Lateness(TUNING)
        note(lateness, NOW, *range(7000), interval=7200)

        assert lateness.look_back_seconds() == LEAST


class TestLargest:
    def test_without_a_row_it_is_unknown(self) -> None:
        lateness = Lateness(TUNING)
        note(lateness, NOW)

        assert lateness.largest() is None

    def test_it_is_the_largest_of_the_last_hour(self) -> None:
        lateness = seen(5, 70, 3)
        note(lateness, NOW + 10, 2)

        assert lateness.largest() == 70

        note(lateness, NOW + 3605)
        assert lateness.largest() == 2

    def test_a_row_of_times_to_come_is_not_late(self) -> None:
        assert seen(-400).largest() == 0

    @pytest.mark.parametrize("age", [0.25, 86_400 * 400])
    def test_it_has_no_bounds(self, age: float) -> None:
        assert seen(age).largest() == pytest.approx(age, abs=1e-3)
