"""How far long work is: a line redrawn for who looks on, a line at every tenth for a log."""

from __future__ import annotations

import io

import pytest

from exporter import progress
from exporter.progress import Progress
from tests.support.terminal import Terminal


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Seconds, which pass when a test says so."""
    seconds = [0.0]
    monkeypatch.setattr(progress, "monotonic", lambda: seconds[0])
    return seconds


def test_a_terminal_shows_one_line(clock: list[float]) -> None:
    """Redrawn, with what is left, and gone in the end."""
    stream = Terminal()
    shown = Progress("Backfilling", stream)
    clock[0] = 30
    shown.show(0.5, "2026-04-10 12 MB")
    shown.show(1)
    shown.end("Done.")

    erased, half, whole, end = stream.getvalue().split("\r\033[K")
    assert erased == ""
    assert half == f"Backfilling [{'#' * 15}{'.' * 15}]  50% 2026-04-10 12 MB, 30 s left"
    assert whole == f"Backfilling [{'#' * 30}] 100%"
    assert end == "Done.\n"


def test_a_log_gets_a_line_now_and_then(clock: list[float]) -> None:
    """At every tenth at most, and no control characters."""
    stream = io.StringIO()
    shown = Progress("Backfilling", stream)
    for hundredth in range(1, 101):
        clock[0] += 60
        shown.show(hundredth / 100)
    shown.end()

    lines = stream.getvalue().splitlines()
    assert 9 <= len(lines) <= 10
    assert lines[0] == "Backfilling: 10%, 1.5 h left"
    assert "\033" not in stream.getvalue()


@pytest.mark.parametrize(
    ("seconds", "left"), [(89, "89 s left"), (100, "2 min left"), (5399, "90 min left"), (5400, "1.5 h left")]
)
def test_what_is_left_is_told_in_a_fitting_unit(clock: list[float], seconds: float, left: str) -> None:
    stream = io.StringIO()
    shown = Progress("Backfilling", stream)
    clock[0] = seconds
    shown.show(0.5)

    assert stream.getvalue() == f"Backfilling: 50%, {left}\n"


def test_nothing_is_left_of_what_has_not_begun() -> None:
    stream = Terminal()
    Progress("Backfilling", stream).show(0)

    assert "left" not in stream.getvalue()
