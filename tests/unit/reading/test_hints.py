"""Hints: the server's counts may say that something changed, are never trusted, and cannot make it hurry for ever."""

from __future__ import annotations

from dataclasses import replace

import pytest

from exporter.ledgers.ledger import State
from exporter.reading.hints import Hints
from exporter.reading.tuning import Tuning
from tests.support.plain_ledger import STATE

TUNING = Tuning(hint_pause_seconds=60, longest_hint_pause_seconds=240)


def counts(inserted: int = 0, updated: int = 0, deleted: int = 0) -> State:
    return replace(STATE, counts=(inserted, updated, deleted))


class Looker:
    """Looks at counts every 15 seconds; `rows` are known."""

    def __init__(self, *, rows: int = 100) -> None:
        self.hints = Hints(TUNING)
        self.rows = rows
        self.now = 0.0
        for _ in range(2):  # a baseline is of the second look: counts are compared with those of the refresh before
            assert not self.look(counts(rows))

    def look(self, state: State, explained: int = 0, seconds: float = 15) -> bool:
        self.now += seconds
        return self.hints.look(state, self.rows, explained, self.now)

    def end_cycle(self, *, is_clean: bool = True) -> None:
        self.hints.follow()
        self.hints.end_cycle(self.now, is_clean=is_clean)


class TestBalance:
    def test_a_quiet_ledger_gives_no_hint(self) -> None:
        looker = Looker()

        assert not any(looker.look(counts(100)) for _ in range(20))

    def test_rows_that_are_known_give_none(self) -> None:
        looker = Looker()
        for inserted in range(100, 130):
            looker.rows = inserted
            assert not looker.look(counts(inserted))

    def test_rows_that_nobody_found_do_once_they_are_missing_for_two_refreshes(self) -> None:
        """The server's counts ignore snapshots: at first they may be ahead."""
        looker = Looker()

        assert [looker.look(counts(103)) for _ in range(4)] == [False, False, True, True]

    def test_rows_that_are_found_meanwhile_do_not(self) -> None:
        looker = Looker()
        looker.look(counts(103))
        looker.look(counts(103))
        looker.rows = 103

        assert not any(looker.look(counts(103)) for _ in range(5))

    def test_rows_that_were_deleted_do_at_once(self) -> None:
        looker = Looker()

        assert [looker.look(counts(100, deleted=deleted)) for deleted in (2, 4)] == [False, True]

    def test_more_rows_than_the_server_ever_counted_are_no_reason(self) -> None:
        """Its statistics may have been reset; what counts is how the difference changes."""
        looker = Looker(rows=100)
        looker.rows = 5000
        looker.hints = Hints(TUNING)

        assert not any(looker.look(counts(7)) for _ in range(5))

    def test_a_clean_cycle_makes_the_present_balance_the_baseline(self) -> None:
        """Inserts that were rolled back are counted, and never found."""
        looker = Looker()
        assert [looker.look(counts(103)) for _ in range(3)][-1]
        looker.end_cycle()

        assert not any(looker.look(counts(103), seconds=600) for _ in range(5))


class TestUpdates:
    def test_updates_that_nothing_explains_are_a_hint_at_once(self) -> None:
        looker = Looker()

        assert looker.look(counts(100, updated=1))

    @pytest.mark.parametrize(("found", "is_hint"), [(5, False), (4, True)])
    def test_those_that_were_found_otherwise_are_none(self, found: int, *, is_hint: bool) -> None:
        looker = Looker()

        assert looker.look(counts(100, updated=5), explained=found) == is_hint

    @pytest.mark.parametrize(("seconds", "is_hint"), [(60, False), (89, False), (91, True)])
    def test_the_server_may_count_late(self, seconds: float, *, is_hint: bool) -> None:
        looker = Looker()
        looker.look(counts(100), explained=5)

        assert looker.look(counts(100, updated=5), seconds=seconds) == is_hint

    def test_one_that_was_found_explains_one_update_alone(self) -> None:
        looker = Looker()
        looker.look(counts(100), explained=5)

        assert not looker.look(counts(100, updated=3))
        assert not looker.look(counts(100, updated=5))
        assert looker.look(counts(100, updated=6))

    def test_they_stay_a_hint_until_that_is_followed(self) -> None:
        looker = Looker()
        looker.look(counts(100, updated=1))
        assert looker.look(counts(100, updated=1))

        looker.hints.follow()
        assert not looker.look(counts(100, updated=1))

    def test_those_that_are_counted_while_a_hint_is_followed_are_another(self) -> None:
        """What was verified before they came is not verified again in the same cycle."""
        looker = Looker()
        looker.look(counts(100, updated=1))
        looker.hints.follow()
        looker.look(counts(100, updated=2))
        looker.hints.end_cycle(looker.now, is_clean=True)

        assert looker.look(counts(100, updated=2), seconds=1000)


class TestPauses:
    def hint(self, looker: Looker, updated: int, seconds: float) -> bool:
        return looker.look(counts(100, updated=updated), seconds=seconds)

    def test_a_hint_that_led_to_nothing_is_followed_again_after_a_pause_that_doubles(self) -> None:
        looker, pauses = Looker(), []
        for updated in range(1, 7):
            waited = 0.0
            while not self.hint(looker, updated, 10):
                waited += 10
            pauses.append(waited)
            looker.end_cycle()

        assert pauses == [0, 50, 110, 230, 230, 230], "up to the longest"

    def test_cycles_that_follow_no_hint_neither_pause_nor_end_one(self) -> None:
        """Where verification goes on by itself, it has not answered what was counted meanwhile."""
        looker = Looker()
        for _ in range(5):
            looker.hints.end_cycle(looker.now, is_clean=True)
        assert self.hint(looker, 1, 10)
        looker.hints.end_cycle(looker.now, is_clean=True)

        assert self.hint(looker, 1, 10)

    def test_a_correction_ends_the_pause(self) -> None:
        looker = Looker()
        for updated in (1, 2, 3):
            self.hint(looker, updated, 1000)
            looker.end_cycle()
        looker.end_cycle(is_clean=False)
        assert self.hint(looker, 4, 1)

        looker.end_cycle()
        assert not self.hint(looker, 5, 59)
        assert self.hint(looker, 5, 1)

    def test_a_hint_within_a_pause_is_kept(self) -> None:
        looker = Looker()
        self.hint(looker, 1, 10)
        looker.end_cycle()

        assert [self.hint(looker, 2, 20) for _ in range(4)] == [False, False, True, True]


class TestComparable:
    @pytest.mark.parametrize(
        "state",
        [
            replace(counts(500, 9, 9), identity="b"),
            replace(counts(500, 9, 9), partitions=2),
            replace(counts(), counts=None),
            counts(99, 9, 0),
        ],
        ids=["another server", "another partition", "no counts", "a fall"],
    )
    def test_what_cannot_be_compared_begins_a_new_baseline(self, state: State) -> None:
        looker = Looker()
        looker.look(counts(100, 5, 3), explained=5)

        assert not any(looker.look(state) for _ in range(5))

    def test_of_a_server_that_counts_nothing_there_are_no_hints(self) -> None:
        hints = Hints(TUNING)
        nothing = replace(STATE, counts=None)

        assert not any(hints.look(nothing, rows, 0, 15.0 * rows) for rows in range(10))
