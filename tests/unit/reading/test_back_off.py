"""What fails again and again is tried in every other refresh."""

from __future__ import annotations

from exporter.reading.back_off import BackOff


def refreshes(back_off: BackOff, outcomes: str) -> str:
    """Go through refreshes in which it would fail (f) or succeed (s); a + for each in which it is tried."""
    tried = ""
    for outcome in outcomes:
        back_off.begin()
        tried += "+" if back_off.is_due else "-"
        if back_off.is_due:
            back_off.note(failed=outcome == "f")
    return tried


def test_it_is_tried_in_each_refresh_as_long_as_it_succeeds() -> None:
    assert refreshes(BackOff(), "sss") == "+++"


def test_after_three_failures_in_a_row_every_other_refresh_is_sat_out() -> None:
    assert refreshes(BackOff(), "f" * 9) == "+++-+-+-+"


def test_a_success_ends_it() -> None:
    back_off = BackOff()

    assert refreshes(back_off, "ffffsfff") == "+++-++++"
    assert back_off.has_failed


def test_within_a_refresh_a_failure_is_not_tried_again() -> None:
    back_off = BackOff()
    back_off.begin()
    back_off.note(failed=True)
    assert (back_off.is_due, back_off.has_just_failed) == (False, True)

    back_off.begin()
    assert (back_off.is_due, back_off.has_just_failed, back_off.has_failed) == (True, False, True)
