"""UTC days, and the windows made of them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.sums import RECENT_DAYS, WINDOWS, day_name, day_of, day_seconds, in_window
from exporter.sums.days import WINDOWS_BY_AGE, first_day
from tests.support.snapshots import TODAY


class TestDays:
    def test_a_day_begins_at_midnight_utc(self) -> None:
        midnight = datetime(2026, 4, 10, tzinfo=UTC)

        assert day_of(midnight) == TODAY
        assert day_of(midnight - timedelta(microseconds=1)) == TODAY - 1

    def test_an_instant_belongs_to_its_utc_day_whatever_its_zone(self) -> None:
        assert day_of(datetime(2026, 4, 11, 11, 59, tzinfo=timezone(timedelta(hours=12)))) == TODAY

    def test_days_before_1970_are_negative(self) -> None:
        assert day_of(datetime(1969, 12, 31, 23, tzinfo=UTC)) == -1

    def test_a_day_is_named_by_its_date(self) -> None:
        assert day_name(TODAY) == "2026-04-10"

    def test_a_day_has_the_timestamp_of_its_first_instant(self) -> None:
        assert day_seconds(TODAY) == datetime(2026, 4, 10, tzinfo=UTC).timestamp()


class TestWindows:
    @pytest.mark.parametrize(
        ("age", "expected"),
        [
            (-1, set()),
            (0, {"today", "7d", "30d", "all"}),
            (1, {"yesterday", "7d", "30d", "all"}),
            (6, {"7d", "30d", "all"}),
            (7, {"30d", "all"}),
            (29, {"30d", "all"}),
            (30, {"all"}),
            (4000, {"all"}),
        ],
    )
    def test_windows_count_calendar_days_today_included(self, age: int, expected: set[str]) -> None:
        assert {window for window in WINDOWS if in_window(window, age)} == expected

    @given(st.integers(0, 20_000))
    def test_windows_by_age_say_the_same(self, age: int) -> None:
        found = [WINDOWS[position] for position in WINDOWS_BY_AGE[min(age, RECENT_DAYS)]]

        assert found == [window for window in WINDOWS if in_window(window, age)]

    @pytest.mark.parametrize("window", WINDOWS[:-1])
    def test_a_window_has_its_first_day_and_none_before(self, window: str) -> None:
        first = first_day(window, TODAY)

        assert first is not None
        assert in_window(window, TODAY - first)
        assert not in_window(window, TODAY - first + 1)

    def test_all_has_no_first_day(self) -> None:
        assert first_day("all", TODAY) is None
