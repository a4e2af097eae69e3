"""From when to when: dates, timestamps, how long ago; whole multiples of the step; nothing that Prometheus still holds."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from exporter.backfill.period import HEAD, PeriodError, Steps, instant, steps

NOW = datetime(2026, 4, 10, 12, 34, 56, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


def told(begin: str, end: str | None = None, step: timedelta = 5 * MINUTE) -> Steps:
    return steps(begin, end, step, NOW, latest=NOW - HEAD)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-04-01", datetime(2026, 4, 1, tzinfo=UTC)),
        ("2026-04-01T10:30:00Z", datetime(2026, 4, 1, 10, 30, tzinfo=UTC)),
        ("2026-04-01T10:30:00+02:00", datetime(2026, 4, 1, 8, 30, tzinfo=UTC)),
        ("2026-04-01 10:30", datetime(2026, 4, 1, 10, 30, tzinfo=UTC)),
        ("60d", NOW - timedelta(days=60)),
        ("1h30m", NOW - timedelta(minutes=90)),
    ],
)
def test_an_instant_is_a_date_a_timestamp_or_how_long_ago(text: str, expected: datetime) -> None:
    assert instant(text, NOW) == expected


@pytest.mark.parametrize("text", ["yesterday", "", "2026-13-01", "60", "-5d", "0001-01-01T00:00:00+05:00"])
def test_anything_else_is_refused_with_examples(text: str) -> None:
    with pytest.raises(PeriodError, match="2026-04-10"):
        instant(text, NOW)


def test_what_is_longer_ago_is_to_be_told_by_its_date() -> None:
    with pytest.raises(PeriodError, match=r"'400d' is neither a date .* how long ago must be .* at most 366d"):
        instant("400d", NOW)


@pytest.mark.parametrize("begin", ["1960-01-01", "0001-01-01", "1971-12-31T23:59:59Z"])
def test_what_is_before_all_ledgers_is_refused(begin: str) -> None:
    with pytest.raises(PeriodError, match="--from is before 1972-01-01"):
        told(begin)
    assert told("1972-01-01", "1972-01-02").count


def test_steps_are_multiples_within_the_period() -> None:
    found = told("2026-04-10T08:01:00Z", "2026-04-10T08:22:00Z")

    assert [found.instant(number) % 300 for number in range(found.count)] == [0, 0, 0, 0]
    assert found.instant(0) == datetime(2026, 4, 10, 8, 5, tzinfo=UTC).timestamp()
    assert found.instant(found.count - 1) == datetime(2026, 4, 10, 8, 20, tzinfo=UTC).timestamp()


def test_both_ends_are_in_it() -> None:
    assert told("2026-04-10T08:00:00Z", "2026-04-10T08:05:00Z").count == 2


def test_it_ends_three_hours_ago() -> None:
    found = told("1d")

    assert found.instant(found.count - 1) == datetime(2026, 4, 10, 9, 30, tzinfo=UTC).timestamp()


def test_what_prometheus_still_holds_is_refused() -> None:
    with pytest.raises(PeriodError, match="three hours in memory"):
        told("1d", "2026-04-10T09:35:00Z")
    assert told("1d", "2026-04-10T09:34:56Z").count


def test_the_future_is_refused_where_the_present_may_be_told() -> None:
    with pytest.raises(PeriodError, match="in the future"):
        steps("1d", "2026-04-11", MINUTE, NOW, latest=NOW)


@pytest.mark.parametrize(("begin", "end"), [("2026-04-09", "2026-04-08"), ("2026-04-10T08:01Z", "2026-04-10T08:04Z")])
def test_a_period_without_a_step_is_refused(begin: str, end: str) -> None:
    with pytest.raises(PeriodError, match="no step"):
        told(begin, end)


@pytest.mark.parametrize("step", [timedelta(milliseconds=500), timedelta(seconds=1.5)])
def test_a_step_is_of_whole_seconds(step: timedelta) -> None:
    with pytest.raises(PeriodError, match="whole seconds"):
        told("1d", step=step)


def test_a_step_knows_its_day() -> None:
    two = Steps(first=int(datetime(2026, 4, 10, 23, 30, tzinfo=UTC).timestamp()), seconds=1800, count=2)

    assert [two.day(step).isoformat() for step in range(2)] == ["2026-04-10", "2026-04-11"]
