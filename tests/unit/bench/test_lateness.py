"""Calls that are booked late: when, and which of them are missing."""

from __future__ import annotations

from collections import Counter

from bench.lateness import BATCH_SECONDS, CALLS_A_SECOND, LONGEST_SECONDS, calls, missing, quest


def test_calls_are_booked_in_batches_after_their_end() -> None:
    found = list(calls(100))

    assert len(found) == 100 * CALLS_A_SECOND
    assert all(call.booked % BATCH_SECONDS == 0 for call in found)
    assert all(0 <= call.booked - call.began <= LONGEST_SECONDS + BATCH_SECONDS for call in found)


def test_durations_have_their_median_and_reach_the_longest() -> None:
    waits = sorted(call.booked - call.began for call in calls(600))

    assert 10 < waits[len(waits) // 2] < 20
    assert waits[-1] > LONGEST_SECONDS


def test_what_waits_during_an_outage_is_booked_at_its_end() -> None:
    usual, delayed = (Counter(call.booked for call in calls(300, outage)) for outage in (None, (100, 200)))

    assert not any(100 <= booked < 200 for booked in delayed)
    assert delayed[200] == usual[200] + sum(number for booked, number in usual.items() if 100 <= booked < 200)
    assert delayed[90] == usual[90]


def test_every_call_is_the_same_in_every_run() -> None:
    assert list(calls(10)) == list(calls(10))


def test_rows_are_missed_a_minute_after_the_last_of_their_quest() -> None:
    due, shown = {quest(30): 5, quest(60): 7}, {quest(30): 4}

    assert [missing(due, shown, second) for second in (119, 120, 179, 180)] == [0, 1, 1, 8]


def test_rows_that_show_early_hide_none_that_are_missing() -> None:
    assert missing({quest(0): 5, quest(60): 7}, {quest(0): 4, quest(60): 8}, 600) == 1
