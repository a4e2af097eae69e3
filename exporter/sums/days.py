"""UTC days and the windows made of them. A day is the number of UTC days since 1970-01-01."""

from __future__ import annotations

from datetime import UTC, datetime

RECENT_DAYS = 30
WINDOWS = ("today", "yesterday", "7d", "30d", "all")
DAY_BOUND_WINDOWS = ("today", "yesterday")
_AGES = {"today": (0, 0), "yesterday": (1, 1), "7d": (0, 6), "30d": (0, RECENT_DAYS - 1), "all": (0, None)}

SECONDS_A_DAY = 86_400
MICROSECONDS_A_DAY = SECONDS_A_DAY * 1_000_000


def day_of(instant: datetime) -> int:
    """Return the UTC day of an aware instant."""
    return int(instant.timestamp() // SECONDS_A_DAY)


def day_name(day: int) -> str:
    """Return a day as in the label `day`: `2026-04-10`."""
    return datetime.fromtimestamp(day * SECONDS_A_DAY, UTC).date().isoformat()


def day_seconds(day: int) -> int:
    """Return the day's first instant as a Unix timestamp."""
    return day * SECONDS_A_DAY


def in_window(window: str, age: int) -> bool:
    """Tell whether a day `age` days before today lies in a window."""
    youngest, oldest = _AGES[window]
    return youngest <= age and (oldest is None or age <= oldest)


def first_day(window: str, today: int) -> int | None:
    """Return the earliest day of a window, None for `all`."""
    oldest = _AGES[window][1]
    return None if oldest is None else today - oldest


WINDOWS_BY_AGE = tuple(
    tuple(index for index, window in enumerate(WINDOWS) if in_window(window, age)) for age in range(RECENT_DAYS + 1)
)
"""For each age in days, the last standing for all that are older: the positions in `WINDOWS` of the windows it is in."""
