"""Verification: fingerprints tell which ranges differ, only those are read, and a cycle covers all of them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from exporter.ledgers.ledger import Abilities
from exporter.ledgers.span import Span
from exporter.reading.settled_ranges import SettledRanges
from exporter.reading.tuning import Tuning
from exporter.reading.verifier import Findings, Verifier
from exporter.sums.days import MICROSECONDS_A_DAY
from exporter.sums.ranges import BEGINNING, Range
from tests.support.plain_ledger import ABLE, MIDNIGHT, MINUTE, QUESTION, PlainLedger, PlainServer
from tests.support.snapshots import TODAY

TUNING = Tuning(
    verified_rows=100, small_ledger_rows=0, verified_by_reading=0, hurried_rows=10_000, reread_rows=1000, range_rows=10
)


class Walk:
    """A ledger of ten days with ten rows each, as it was read, and what verifies it."""

    def __init__(self, tuning: Tuning = TUNING, able: Abilities = ABLE) -> None:
        self.server, self.able = PlainServer(), able
        self.server.book(
            *(MIDNIGHT - day * MICROSECONDS_A_DAY + row * MINUTE for day in range(1, 11) for row in range(10))
        )
        ledger = PlainLedger()
        self.settled: SettledRanges[Any] = SettledRanges(ledger, tuning, TODAY, MIDNIGHT)
        where = Span(BEGINNING, MIDNIGHT)
        self.settled.put(BEGINNING, MIDNIGHT, self.settled.made_of(self.server.rows, where, QUESTION, 10))
        self.verifier: Verifier[Any] = Verifier(ledger, tuning)

    def step(self) -> Findings[Any]:
        """Verify what is next."""
        self.server.asked = []
        return self.server.hold(self.verifier.step(self.settled.tiling, self.settled.totals.rows, QUESTION, self.able))

    def cycle(self) -> list[Findings[Any]]:
        """Verify until a cycle has ended."""
        before, steps = self.verifier.cycles, []
        while self.verifier.cycles == before:
            steps.append(self.step())
            assert len(steps) < 1000
        return steps


def days(ranges: Any) -> list[int]:
    """How many days ago ranges began, the empty one before all rows aside."""
    return [(MIDNIGHT - each.start) // MICROSECONDS_A_DAY for each in ranges if each.start != BEGINNING]


def read(found: Findings[Any]) -> list[Range[Any]]:
    return [each for each, _ in found.different]


class TestFingerprints:
    def test_a_step_verifies_as_many_ranges_as_it_pays_for_from_the_newest_on(self) -> None:
        walk = Walk()

        assert [days(walk.step().same) for _ in range(4)] == [[3, 2, 1], [6, 5, 4], [9, 8, 7], [10]]
        assert walk.verifier.cycles == 1
        assert days(walk.step().same) == [3, 2, 1]

    def test_a_small_ledger_is_verified_in_few_steps(self) -> None:
        """So that an edit shows within a minute."""
        walk = Walk(Tuning(verified_rows=1, small_ledger_rows=100, verified_by_reading=0))

        assert len(walk.cycle()) == 3
        assert len(Walk(replace(TUNING, verified_rows=1)).cycle()) == 11

    def test_it_asks_one_statement_and_reads_nothing(self) -> None:
        walk = Walk()
        found = walk.step()

        assert (walk.server.asked, found.different, found.rows) == (["fingerprints"], [], 30)

    def test_a_range_too_large_for_a_step_is_one(self) -> None:
        walk = Walk(replace(TUNING, verified_rows=1))

        assert [len(walk.step().same) for _ in range(11)] == [1] * 11
        assert walk.verifier.cycles == 1

    @pytest.mark.parametrize("change", ["edit", "delete", "book", "move", "touch"])
    def test_a_range_whose_rows_differ_is_read(self, change: str) -> None:
        walk = Walk()
        match change:
            case "edit":
                walk.server.change(12, usd="9")
            case "delete":
                del walk.server.rows[12]
            case "book":
                walk.server.book(walk.server.rows[12][1])
            case "move":
                walk.server.change(12, at=walk.server.rows[12][1] + 1)
            case "touch":
                walk.server.touch(12)
        found = walk.step()

        assert (days(found.same), days(read(found))) == ([3, 1], [2])
        ((each, piece),) = found.different
        assert piece.where == Span(each.start, each.end)
        assert len(piece.rows) == {"delete": 9, "book": 11}.get(change, 10)

    def test_a_row_that_moves_from_range_to_range_makes_both_differ(self) -> None:
        walk = Walk()
        walk.server.change(12, at=MIDNIGHT - 1)

        assert sorted(days(read(walk.step()))) == [1, 2]

    def test_a_range_that_lost_all_its_rows_differs(self) -> None:
        walk = Walk()
        del walk.server.rows[10:20]

        assert days(read(walk.step())) == [2]

    def test_what_there_is_no_time_to_read_is_verified_again(self) -> None:
        walk = Walk(replace(TUNING, reread_rows=5))
        for row in (5, 15, 25):
            walk.server.change(row, usd="9")
        first, second, third = walk.step(), walk.step(), walk.step()

        assert [days(read(found)) for found in (first, second, third)] == [[1], [2], [3]]
        assert days(third.same) == [5, 4], "it goes on from there"


class TestReading:
    """A fingerprint does not see that an expression of the mapping means something else."""

    def test_ranges_are_read_in_a_slower_turn_of_their_own(self) -> None:
        walk = Walk(replace(TUNING, verified_by_reading=15))
        found = [days(read(walk.step())) for _ in range(8)]

        assert found == [[], [1], [], [2], [], [3], [], [4]]

    def test_it_saves_up_for_a_large_one_and_no_further(self) -> None:
        walk = Walk(replace(TUNING, verified_by_reading=1))
        found = [days(read(walk.step())) for _ in range(62)]

        assert [step for step, some in enumerate(found, 1) if some] == [30, 60]

    def test_after_the_oldest_comes_the_newest(self) -> None:
        walk = Walk(replace(TUNING, verified_by_reading=30))
        found = [days(read(walk.step())) for _ in range(14)]

        assert found[:10] == [[day] for day in range(1, 11)]
        assert [1] in found[10:13]

    def test_without_fingerprints_reading_is_all_there_is(self) -> None:
        able = replace(ABLE, fingerprint="none")
        walk = Walk(replace(TUNING, verified_by_reading=10), able)
        seen: list[int] = []
        for found in walk.cycle():
            assert "fingerprints" not in walk.server.asked
            assert found.same == []
            seen += days(read(found))

        assert sorted(seen)[:10] == list(range(1, 11))


class TestCycles:
    def test_a_cycle_that_finds_nothing_is_clean(self) -> None:
        walk = Walk()
        walk.cycle()

        assert (walk.verifier.is_clean, walk.verifier.is_hurried, walk.verifier.cycles) == (True, False, 1)

    def test_a_correction_makes_it_hurry_until_a_whole_cycle_finds_nothing(self) -> None:
        walk = Walk()
        walk.step()
        walk.verifier.note(corrected=True)
        assert walk.verifier.is_hurried

        walk.cycle()
        assert (walk.verifier.is_hurried, walk.verifier.is_clean) == (True, False)
        walk.cycle()
        assert (walk.verifier.is_hurried, walk.verifier.is_clean) == (False, True)

    def test_what_was_no_correction_does_not(self) -> None:
        walk = Walk()
        walk.step()
        walk.verifier.note(corrected=False)

        assert not walk.verifier.is_hurried

    def test_hurrying_it_verifies_much_at_once_and_from_the_newest_on(self) -> None:
        walk = Walk()
        walk.step()
        walk.verifier.hurry()

        assert days(walk.step().same) == list(range(10, 0, -1))
        assert (walk.verifier.is_hurried, walk.verifier.cycles) == (False, 1)

    def test_of_a_ledger_without_ranges_a_cycle_ends_at_once(self) -> None:
        walk = Walk()
        walk.settled = SettledRanges(PlainLedger(), TUNING, TODAY, MIDNIGHT)
        walk.verifier.hurry()
        found = walk.step()

        assert (found.same, found.different, walk.server.asked) == ([], [], [])
        assert (walk.verifier.cycles, walk.verifier.is_hurried) == (1, False)
