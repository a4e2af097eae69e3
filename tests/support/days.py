"""The UTC day in which a test runs: figures of today begin anew at 00:00 UTC, whatever is being tested then."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import TypeVar

import pytest

T = TypeVar("T")


def midnight() -> datetime:
    """The beginning of this UTC day."""
    return datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)


def on_one_day(look: Callable[[], T]) -> T:
    """What is seen by several looks on one day. If midnight comes in between, all of them are taken again."""
    while True:
        day = midnight()
        seen = look()
        if midnight() == day:
            return seen


def skip_shortly_before_midnight(minutes: int) -> None:
    """Skip a test that fills ledgers for today and then looks at them for so many minutes, where the day ends before."""
    if datetime.now(UTC) > midnight() + timedelta(days=1, minutes=-minutes):
        pytest.skip(f"the day ends within {minutes} minutes, and with it all that the test books for today")
