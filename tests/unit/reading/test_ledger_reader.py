"""A ledger in memory under any history: every refresh knows what it promises, and after a cycle all is known."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule, run_state_machine_as_test

from exporter.databases.query import Query, Result
from exporter.ledgers.question import Question
from exporter.ledgers.span import Span
from exporter.reading.ledger_reader import LedgerReader
from exporter.sums.days import MICROSECONDS_A_DAY
from exporter.sums.ranges import BEGINNING, END
from tests.support.plain_ledger import ABLE, PlainLedger, PlainServer
from tests.support.sizes import SMALL
from tests.support.snapshots import NOON

SECOND, MINUTE, HOUR, DAY = 1_000_000, 60_000_000, 3_600_000_000, MICROSECONDS_A_DAY
TUNING = replace(SMALL, look_back_rows=1000)
WITHIN_LOOK_BACK = TUNING.look_back_min_seconds * SECOND - 1

ages = st.sampled_from([0, SECOND, MINUTE, 14 * MINUTE, 16 * MINUTE, 5 * HOUR, DAY, 2 * DAY, 30 * DAY, 400 * DAY])
ahead = st.sampled_from([-SECOND, -HOUR, -DAY, -2 * DAY, -40 * DAY])
places = st.integers(0, 200)


class Broken(Exception):  # noqa: N818 - what a test lets happen
    """A question that was not answered."""


class Ledger:
    """A ledger in memory and its reader."""

    def __init__(self, *, ids: bool = True) -> None:
        self.server = PlainServer(has_ids=ids)
        self.ledger = PlainLedger()
        self.reader: LedgerReader[Any, Any] = LedgerReader(self.ledger, TUNING)
        self.reader.abilities = replace(ABLE, ids=ids)
        self.now = NOON
        self.connection = 1

    @property
    def question(self) -> Question:
        return Question(self.now)

    def book(self, *ages: int) -> None:
        self.server.book(*(self.question.microseconds - age for age in ages))

    def refresh(self) -> None:
        """Refresh and load until nothing is left to be read."""
        for _ in range(500):
            self.server.hold(self.reader.refresh(self.question, self.connection))
            while not self.reader.is_complete:
                self.server.hold(self.reader.load(self.question, TUNING.piece_rows))
            assert self.reader.loaded is not None
            if not self.reader.loaded.carried_over:
                return
        raise AssertionError("what is carried over never ends")

    def verify(self) -> None:
        self.server.hold(self.reader.verify())

    def walk(self, cycles: int = 2) -> None:
        """Verify everything, and take in what that found."""
        self.refresh()
        assert self.reader.loaded is not None
        wanted = self.reader.loaded.verifier.cycles + cycles
        for _ in range(2000):
            if self.reader.loaded.verifier.cycles >= wanted:
                self.refresh()
                return
            self.verify()
            self.server.hold(self.reader.refresh(self.question, self.connection))
        raise AssertionError("verification never ends")

    def known(self) -> Any:
        """All that is known added up."""
        loaded = self.reader.loaded
        assert loaded is not None
        found = loaded.newest.sums + loaded.future.full_sums()
        for each in loaded.settled:
            found = found + each.full_sums()
        return found

    def true(self) -> Any:
        """What all rows add up to."""
        return self.ledger.sums(list(self.server.rows), Span(BEGINNING, END), self.question)

    def check(self) -> None:
        """Check that what is known is what there is."""
        assert self.known().says() == self.true().says()

    def check_tiling(self) -> None:
        """Check that ranges follow on each other, within days, and that the totals are theirs."""
        loaded = self.reader.loaded
        assert loaded is not None
        ranges = list(loaded.settled)
        edges = [BEGINNING, *(each.end for each in ranges)]
        assert [each.start for each in ranges] == edges[:-1]
        assert (edges[-1], loaded.newest.where.end) == (loaded.newest.where.start, loaded.future.start)
        for each in ranges:
            assert each.start // DAY == (each.end - 1) // DAY or not each.sums.rows, "a range crosses midnight"
        assert loaded.settled.totals.rows == sum(each.sums.rows for each in ranges)


class History(RuleBasedStateMachine):
    """A ledger with ordered ids. `exact` tells whether the next refresh must know everything."""

    has_ids = True

    @initialize(ages=st.lists(ages, max_size=12))
    def begin(self, ages: list[int]) -> None:
        self.ledger = Ledger(ids=self.has_ids)
        self.ledger.book(*ages)
        self.exact = self.untouched = True
        self.refresh()

    def is_promised(self, ages: list[int]) -> bool:
        """Tell whether rows booked for so long ago are to be seen at the next refresh."""
        if self.has_ids:
            return True
        loaded = self.ledger.reader.loaded
        assert loaded is not None
        is_small = loaded.future.sums.rows <= TUNING.newest_rows  # many rows of days to come are not read each time
        passed = self.ledger.question.microseconds - loaded.question.microseconds
        return all(age <= WITHIN_LOOK_BACK + passed and (is_small or age > -2 * DAY) for age in ages)

    @rule(ages=st.lists(ages | ahead, min_size=1, max_size=6))
    def book(self, ages: list[int]) -> None:
        self.ledger.book(*ages)
        self.exact = self.exact and self.is_promised(ages)

    @rule(first=ages | ahead, step=st.sampled_from([0, 1, MINUTE, 7 * HOUR]), count=st.integers(10, 60))
    def book_a_burst(self, first: int, step: int, count: int) -> None:
        """Rows of very many instants come at once."""
        burst = [first + step * place for place in range(count)]
        self.book(burst)

    @rule(place=places, age=ages | ahead)
    def book_under_the_id_of_another(self, place: int, age: int) -> None:
        """Ids are not unique, and of long ago perhaps."""
        if self.ledger.server.rows:
            id_ = self.ledger.server.rows[place % len(self.ledger.server.rows)][0]
            self.ledger.server.book_under(id_, self.ledger.question.microseconds - age)
            self.exact = self.untouched = False

    @rule(age=ages | ahead)
    def book_without_an_id(self, age: int) -> None:
        self.ledger.server.book_under(None, self.ledger.question.microseconds - age)
        self.exact = self.untouched = False

    @rule(place=places)
    def touch(self, place: int) -> None:
        """A column that no figure knows is updated."""
        if self.ledger.server.rows:
            self.ledger.server.touch(place % len(self.ledger.server.rows))

    @rule(place=places, usd=st.sampled_from(["-3", "0.1", "NaN"]))
    def edit(self, place: int, usd: str) -> None:
        if self.ledger.server.rows:
            self.ledger.server.change(place % len(self.ledger.server.rows), usd=usd)
            self.exact = self.untouched = False

    @rule(place=places, age=ages | ahead)
    def move(self, place: int, age: int) -> None:
        if self.ledger.server.rows:
            at = self.ledger.question.microseconds - age
            self.ledger.server.change(place % len(self.ledger.server.rows), at=at)
            self.exact = self.untouched = False

    @rule(place=places)
    def delete(self, place: int) -> None:
        if self.ledger.server.rows:
            del self.ledger.server.rows[place % len(self.ledger.server.rows)]
            self.exact = self.untouched = False

    @rule(age=ages)
    def prune(self, age: int) -> None:
        before = self.ledger.question.microseconds - age
        self.ledger.server.rows = [row for row in self.ledger.server.rows if row[1] >= before]
        self.exact = self.untouched = False

    @rule()
    def replace_server(self) -> None:
        """Another server answers."""
        self.ledger.server.identity += "'"
        self.ledger.connection += 1
        self.exact = self.untouched = False

    @rule(seconds=st.sampled_from([15, 15, 61, 600, 3600, 43_200, 86_400, 31 * 86_400]))
    def wait(self, seconds: int) -> None:
        self.ledger.now += timedelta(seconds=seconds)

    @precondition(lambda self: self.has_ids)
    @rule(seconds=st.sampled_from([1, 600]))
    def set_clock_back(self, seconds: int) -> None:
        before = self.ledger.now - timedelta(seconds=seconds)
        if before.date() == self.ledger.now.date():
            self.ledger.now = before

    @rule()
    def refresh(self) -> None:
        self.ledger.refresh()
        self.ledger.check_tiling()
        if self.exact:
            self.ledger.check()

    @rule()
    def verify(self) -> None:
        self.ledger.verify()
        self.ledger.check_tiling()

    @rule(at=st.integers(0, 7), act=st.sampled_from(["refresh", "verify"]))
    def break_off(self, at: int, act: str) -> None:
        """A question is not answered: nothing of what was read is taken in."""
        reader, question = self.ledger.reader, self.ledger.question
        left = at

        def answer(query: Query) -> Result:
            nonlocal left
            left -= 1
            if left < 0:
                raise Broken
            return self.ledger.server.answer(query)

        dialogue = reader.refresh(question, self.ledger.connection) if act == "refresh" else reader.verify()
        before = self.ledger.known()
        try:
            self.ledger.server.hold(dialogue, answer)
        except Broken:
            assert self.ledger.known() == before
        self.ledger.check_tiling()

    @rule()
    def walk(self) -> None:
        self.ledger.walk()
        self.ledger.check_tiling()
        self.ledger.check()
        if self.untouched and self.has_ids:
            assert self.ledger.reader.corrections == 0
        self.exact = True

    def teardown(self) -> None:
        if hasattr(self, "ledger"):
            self.walk()


class HistoryWithoutIds(History):
    """A ledger whose ids tell nothing: rows of the look-back are promised."""

    has_ids = False


@pytest.mark.parametrize("machine", [History, HistoryWithoutIds])
def test_any_history(machine: type[History]) -> None:
    """Bookings, bursts, edits, moves, deletions, other servers, questions that are not answered."""
    steps = settings(
        stateful_step_count=40, suppress_health_check=[HealthCheck.filter_too_much, HealthCheck.too_slow], deadline=None
    )
    run_state_machine_as_test(machine, settings=steps)


@pytest.fixture
def ledger() -> Ledger:
    made = Ledger()
    made.book(*(day * DAY + row * HOUR for day in range(20, -1, -1) for row in range(5)))
    made.refresh()
    return made


class TestQuestions:
    def asked(self, ledger: Ledger, act: Callable[[], object] | None = None) -> list[str]:
        ledger.server.asked = []
        if act is None:
            ledger.server.hold(ledger.reader.refresh(ledger.question, ledger.connection))
        else:
            act()
        return ledger.server.asked

    def test_a_quiet_refresh_asks_three(self, ledger: Ledger) -> None:
        """Settled ranges are not looked at."""
        ledger.refresh()

        assert sorted(self.asked(ledger)) == ["late_sum", "rows_of", "state"]

    def test_new_rows_cost_none(self, ledger: Ledger) -> None:
        ledger.refresh()
        ledger.book(0, SECOND)

        assert sorted(self.asked(ledger)) == ["late_sum", "rows_of", "state"]
        ledger.check()

    def test_late_rows_are_added_and_their_ranges_are_not_read(self, ledger: Ledger) -> None:
        ledger.refresh()
        ledger.book(3 * DAY, 11 * DAY, 400 * DAY)

        assert self.asked(ledger).count("rows_with") == 1
        assert "all_rows_of" not in ledger.server.asked
        ledger.refresh()
        ledger.check()

    def test_a_ledger_without_ids_counts_what_may_be_late(self) -> None:
        ledger = Ledger(ids=False)
        ledger.book(*(row * MINUTE for row in range(40)))
        ledger.refresh()
        ledger.refresh()

        asked = self.asked(ledger)
        assert "counted" in asked
        assert not {"late", "late_sum", "rows_with"} & set(asked)
        ledger.book(12 * MINUTE, 14 * MINUTE)
        ledger.refresh()
        ledger.check()

    def test_after_an_outage_the_look_back_begins_at_the_last_refresh(self) -> None:
        ledger = Ledger(ids=False)
        ledger.book(*(row * MINUTE // 4 for row in range(80)))
        ledger.refresh()
        ledger.book(12 * MINUTE, 14 * MINUTE)
        ledger.now += timedelta(hours=1)
        ledger.refresh()

        ledger.check()

    def test_late_rows_that_share_an_id_are_all_added(self, ledger: Ledger) -> None:
        ledger.refresh()
        for age in (3 * DAY, 3 * DAY, 11 * DAY, 0):
            ledger.server.book_under(1000, ledger.question.microseconds - age)
        ledger.refresh()
        ledger.check()
        ledger.server.book_under(1000, ledger.question.microseconds - 3 * DAY)
        ledger.refresh()

        ledger.check()

    def test_rows_without_an_id_are_read_with_the_newest_and_found_by_verification(self, ledger: Ledger) -> None:
        ledger.refresh()
        ledger.server.book_under(None, ledger.question.microseconds)
        ledger.refresh()
        ledger.check()
        ledger.server.book_under(None, ledger.question.microseconds - 11 * DAY)
        ledger.walk()

        ledger.check()

    def test_ranges_that_are_to_be_read_again_are_not_joined(self, ledger: Ledger) -> None:
        """Time may change what rows mean, which no fingerprint tells. A joined one begins elsewhere, and would be forgotten."""
        ledger.walk()
        loaded = ledger.reader.loaded
        assert loaded is not None
        day = loaded.settled.tiling.find(ledger.question.microseconds - 10 * DAY)
        assert day is not None
        where = Span(day.start, day.end)
        rows = [row for row in ledger.server.rows if where.start <= row[1] < where.end]
        loaded.settled.put(where.start, where.end, loaded.settled.made_of(rows, where, ledger.question, 2))
        first, *_, last = [each for each in loaded.settled if where.start <= each.start < where.end]
        loaded.dirty.add(last.start)
        for _ in range(20):
            ledger.verify()

        assert loaded.settled.still_there({last.start}) == {last.start}
        assert loaded.settled.still_there({first.start}) == {first.start}

    def test_a_new_connection_at_every_refresh_keeps_verification_going(self, ledger: Ledger) -> None:
        """Late rows are not found by their ids then, as another server may answer."""
        ledger.reader = LedgerReader(ledger.ledger, replace(TUNING, hurried_rows=60, verified_by_reading=0))
        ledger.reader.abilities = ABLE
        ledger.walk()
        ledger.book(19 * DAY)
        for _ in range(60):
            ledger.connection += 1
            ledger.server.hold(ledger.reader.refresh(ledger.question, ledger.connection))
            ledger.verify()

        ledger.check()

    def test_verification_is_one_question_where_nothing_differs(self, ledger: Ledger) -> None:
        ledger.refresh()
        asked = self.asked(ledger, ledger.verify)

        assert asked.count("fingerprints") == 1

    def test_an_edit_is_corrected_and_counted_once(self, ledger: Ledger) -> None:
        ledger.walk()
        ledger.server.change(10, usd="7")
        ledger.walk(cycles=3)

        ledger.check()
        assert ledger.reader.corrections == 1

    def test_updates_of_unrelated_columns_are_no_corrections(self, ledger: Ledger) -> None:
        ledger.walk()
        for row in range(40):
            ledger.server.touch(row)
        ledger.walk(cycles=3)

        ledger.check()
        assert ledger.reader.corrections == 0


class TestBursts:
    @pytest.mark.parametrize("ids", [True, False])
    def test_rows_that_were_seen_stay_while_the_rest_is_still_to_be_read(self, ids: bool) -> None:  # noqa: FBT001
        ledger = Ledger(ids=ids)
        ledger.server.book(*(ledger.question.microseconds - row * SECOND for row in range(20)), usd="1000")
        ledger.refresh()
        ledger.now += timedelta(seconds=600)
        ledger.book(*(row * SECOND for row in range(300)))
        seen = [20_000]
        for _ in range(40):
            ledger.server.hold(ledger.reader.refresh(ledger.question, ledger.connection))
            seen.append(sum(spend.usd for _, _, spend in ledger.known().spend))
            ledger.check_tiling()

        assert seen == sorted(seen)
        ledger.refresh()
        ledger.check()


class TestDaysToCome:
    @pytest.mark.parametrize("ids", [True, False])
    def test_more_rows_than_a_piece_holds_are_counted_once(self, ids: bool) -> None:  # noqa: FBT001
        ledger = Ledger(ids=ids)
        ledger.book(0)
        ledger.refresh()
        ledger.book(*(-40 * DAY - row for row in range(5 * TUNING.piece_rows)))
        ledger.refresh()
        ledger.book(0, SECOND)
        ledger.refresh()

        ledger.check_tiling()
        ledger.check()


class TestCompleteness:
    def test_nothing_is_known_at_first(self) -> None:
        reader = Ledger().reader

        assert (reader.is_complete, reader.progress(), reader.verified_age(), reader.lateness()) == (
            False, 0.0, None, None,
        )  # fmt: skip
        assert reader.windows(0) == ()

    def test_windows_are_complete_one_after_the_other(self) -> None:
        ledger = Ledger()
        ledger.book(*(day * DAY for day in range(45, -1, -1)))
        ledger.server.hold(ledger.reader.refresh(ledger.question, 1))
        windows, progress = [], []
        while not ledger.reader.is_complete:
            windows.append(len(ledger.reader.windows(ledger.question.today)))
            progress.append(ledger.reader.progress())
            ledger.server.hold(ledger.reader.load(ledger.question, 3))
        windows.append(len(ledger.reader.windows(ledger.question.today)))

        assert windows == sorted(windows)
        assert windows[-1] == 5
        assert progress == sorted(progress)
        assert ledger.reader.progress() == 1

    def test_a_ledger_that_is_forgotten_is_loaded_again(self, ledger: Ledger) -> None:
        ledger.reader.forget()
        assert not ledger.reader.is_complete

        ledger.refresh()
        ledger.check()

    def test_verified_age_is_that_of_the_oldest_range(self, ledger: Ledger) -> None:
        ledger.walk()
        ledger.now += timedelta(seconds=100)
        ledger.server.hold(ledger.reader.refresh(ledger.question, 1))
        assert ledger.reader.verified_age() == 100

        ledger.walk()
        assert ledger.reader.verified_age() == 0

    def test_lateness_is_that_of_the_latest_row(self, ledger: Ledger) -> None:
        ledger.now += timedelta(seconds=15)
        ledger.book(3 * DAY)
        ledger.refresh()

        assert ledger.reader.lateness() == 3 * 86_400
