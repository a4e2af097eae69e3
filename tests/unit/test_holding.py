"""What is known of the ledgers between refreshes, and how reading them goes."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from exporter.holding import HeldLedger, Parts
from exporter.reading.reading import Reading
from exporter.sums import WINDOWS, BudgetPart
from tests.support.snapshots import NOON, TODAY, allocations

ALLOCATIONS = allocations()
MAX_AGE = timedelta(minutes=15)
LATER = NOON + timedelta(minutes=10)
TOO_LATE = NOON + timedelta(minutes=16)


def part(instant: float = NOON.timestamp(), today: int = TODAY, windows: tuple[str, ...] = WINDOWS) -> BudgetPart:
    return BudgetPart(
        instant=instant, today=today, windows=windows, rejected={}, newest=None, allocations=ALLOCATIONS,
        newest_day=None, current={}, names={},
    )  # fmt: skip


def read(source: str = "a", found: BudgetPart | None = None, **facts: object) -> Reading:
    return Reading("budget", source, 0.5, 3, found or part(), progress=1.0, **facts)  # type: ignore[arg-type]


def failed(source: str = "a", error: str = "away", progress: float = 1.0) -> Reading:
    return Reading("budget", source, 0.25, error=error, progress=progress)


@pytest.fixture
def one() -> HeldLedger:
    return HeldLedger("budget", ["a"], MAX_AGE)


@pytest.fixture
def two() -> HeldLedger:
    return HeldLedger("budget", ["a", "b"], MAX_AGE)


class TestParts:
    def test_nothing_is_known_before_the_first_reading(self, one: HeldLedger) -> None:
        assert one.part(NOON) is None
        assert one.health.up is None

    def test_a_ledger_that_cannot_be_read_keeps_its_values_until_they_are_too_old(self, one: HeldLedger) -> None:
        one.take([read()], NOON)
        one.take([failed()], LATER)

        assert one.part(LATER) == part()
        assert one.part(TOO_LATE) is None

    def test_it_is_the_sum_over_all_sources_or_nothing(self, two: HeldLedger) -> None:
        two.take([read("a"), failed("b")], NOON)
        assert two.part(NOON) is None

        two.take([read("b", part(NOON.timestamp() - 5))], NOON)
        known = two.part(NOON)
        assert known is not None
        assert known.instant == NOON.timestamp() - 5

    def test_parts_of_two_days_are_not_added_up(self, two: HeldLedger) -> None:
        two.take([read("a"), read("b")], NOON)
        before = two.part(NOON)
        two.take([read("a", part(today=TODAY + 1))], LATER)

        assert two.part(LATER) is before

    def test_a_ledger_that_is_loaded_anew_waits_until_it_answers_as_much(self, one: HeldLedger) -> None:
        one.take([read()], NOON)
        one.take([read(found=part(windows=("today",)))], LATER)
        assert one.part(LATER) == part()

        one.take([read(found=part(windows=("today",)))], TOO_LATE)
        assert one.part(LATER) == part(windows=("today",))

    def test_another_configuration_keeps_values_until_the_ledger_is_read_under_it(self, one: HeldLedger) -> None:
        one.take([read(), failed("a")], NOON)
        one.reconfigure(["b", "c"], MAX_AGE)

        assert one.part(NOON) == part()
        assert (one.health.sources, one.health.error, one.health.failures_in_a_row) == ({}, None, 0)
        one.take([read("b")], NOON)
        assert one.part(LATER) == part()

    def test_once_its_day_is_over_it_does_not_answer_for_today_and_yesterday(self) -> None:
        tomorrow = Parts(TODAY + 1, budget=part())

        assert tomorrow.windows(part()) == ("7d", "30d", "all")
        assert replace(tomorrow, today=TODAY).windows(part()) == WINDOWS


class TestHealth:
    def test_attempts_and_rows_add_up(self, one: HeldLedger) -> None:
        one.take([read(corrections=2, verified_age=7.0)], NOON)
        one.take([read(corrections=1)], LATER)

        assert (one.health.refreshes, one.health.failures, one.health.rows_read) == (2, 0, 6)
        assert (one.health.corrections, one.health.verified_age) == (3, None)
        assert (one.health.up, one.health.last_success, one.health.duration_seconds) == (True, LATER.timestamp(), 0.5)

    def test_a_ledger_is_as_loaded_as_its_least_loaded_source(self, two: HeldLedger) -> None:
        two.take([replace(read("a"), progress=0.75, verified_age=3.0)], NOON)
        assert two.health.progress == 0

        two.take([replace(read("b"), progress=0.5, verified_age=9.0)], NOON)
        assert (two.health.progress, two.health.verified_age) == (0.5, 9.0)

    def test_a_source_that_is_backed_off_stays_down(self, two: HeldLedger) -> None:
        two.take([read("a"), failed("b", "gone")], NOON)
        two.take([read("a")], LATER)

        assert two.health.sources == {"a": True, "b": False}
        assert (two.health.error, two.health.failures) == ("gone", 1)

    def test_a_refresh_that_sits_the_ledger_out_is_no_attempt(self, one: HeldLedger) -> None:
        one.take([failed()], NOON)
        one.take([], LATER)

        assert one.health.refreshes == 1

    def test_a_first_load_that_fails_counts_though_the_ledger_can_be_read(self, one: HeldLedger) -> None:
        one.take([read()], NOON)
        one.note_failed_load("timeout")

        assert (one.health.refreshes, one.health.failures, one.health.up) == (2, 1, True)
        assert one.health.error == "timeout"
        one.take([read()], LATER)
        assert (one.health.refreshes, one.health.failures, one.health.error) == (3, 1, None)

    def test_an_outage_is_told_at_its_beginning_at_growing_intervals_and_at_its_end(
        self, one: HeldLedger, caplog: pytest.LogCaptureFixture
    ) -> None:
        for _ in range(9):
            one.take([failed()], NOON)
        one.take([read()], LATER)

        told = [(record.message, vars(record)["failures"]) for record in caplog.records]
        begun = [("ledger cannot be read", failures) for failures in (1, 2, 4, 8)]
        assert told == [*begun, ("ledger can be read again", 9)]

    def test_where_no_snapshot_could_be_made_every_source_is_down(self, two: HeldLedger) -> None:
        two.take([read("a")], NOON)
        two.fail("unexpected MemoryError")

        assert two.health.sources == {"a": False, "b": False}
        assert (two.health.refreshes, two.health.failures, two.health.error) == (1, 1, "unexpected MemoryError")
