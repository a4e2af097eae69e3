"""The agenda of the live platform: everything once, in order, to the last token and micro-dollar."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from threading import Event

import pytest

from exporter.demo.booking import PIECE_USD, Agenda, Batch, Booking, Call
from exporter.demo.incidents import Incidents
from exporter.demo.platform import Platform
from exporter.demo.rows import Charge
from tests.support.sizes import sizes

NOON = datetime(2026, 4, 8, 12, tzinfo=UTC)
PLATFORM = Platform(scale=0.1, incidents=Incidents(NOON))


@pytest.mark.parametrize("cost", ["0.000001", "0.001", "0.09", "1.234567", "-0.2", "0"])
def test_the_pieces_of_a_call_add_up_to_its_charge(cost):
    charge = Charge(NOON, "max", "MiniMax-M2", "T-1", "q", 40_003, 1_999, Decimal(cost))
    pieces = list(Call(charge, NOON - timedelta(seconds=30)).pieces())
    assert sum(piece.cost_usd for piece in pieces) == charge.cost_usd
    assert sum(piece.tokens_in for piece in pieces) == charge.tokens_in
    assert sum(piece.tokens_out for piece in pieces) == charge.tokens_out
    assert pieces[-1].created_at == NOON
    assert len(pieces) == max(1, round(Decimal(cost) / PIECE_USD))


def test_a_call_without_tokens_stays_without():
    charge = Charge(NOON, None, None, None, None, None, None, Decimal("0.5"))
    assert {piece.tokens_in for piece in Call(charge, NOON - timedelta(seconds=30)).pieces()} == {None}


def test_a_day_is_booked_whole_and_in_order():
    """What the agenda yields from one midnight to the next is what the platform does in that day."""
    midnight = NOON.replace(hour=0)
    batch = Agenda(PLATFORM, midnight - timedelta(hours=1)).until(midnight)
    batch = Agenda(PLATFORM, midnight).until(midnight + timedelta(days=1))
    planned = [
        charge
        for day in (midnight - timedelta(days=1), midnight, midnight + timedelta(days=1))
        for task in PLATFORM.tasks(day.date())
        for charge in task.charges
        if midnight < charge.created_at <= midnight + timedelta(days=1)
    ]
    booked = sum(charge.cost_usd for charge in batch.charges)
    assert abs(booked - sum(charge.cost_usd for charge in planned)) < Decimal("0.5")  # calls cut by the two midnights
    assert batch.charges == sorted(batch.charges, key=lambda charge: charge.created_at)
    assert [row.day for row in batch.allocations] == [midnight.date() + timedelta(days=1)] * len(batch.allocations)


def test_steps_of_any_length_book_the_same():
    end = NOON + timedelta(hours=14)
    whole = Agenda(PLATFORM, NOON).until(end)
    agenda, steps, now = Agenda(PLATFORM, NOON), Batch(), NOON
    while now < end:
        now = min(end, now + timedelta(minutes=17, seconds=3))
        step = agenda.until(now)
        steps.charges += step.charges
        steps.outcomes += step.outcomes
        steps.scored += step.scored
        steps.allocations += step.allocations
    assert (steps.outcomes, steps.scored, steps.allocations) == (whole.outcomes, whole.scored, whole.allocations)
    assert steps.charges == whole.charges
    assert len({row.quest_id for row in whole.allocations}) == 11


def test_something_is_booked_every_few_seconds_at_full_scale():
    agenda = Agenda(Platform(), NOON)
    assert all(agenda.until(NOON + timedelta(seconds=10 * step)).charges for step in range(1, 30))


def test_a_clock_that_goes_back_books_nothing():
    agenda = Agenda(PLATFORM, NOON)
    agenda.until(NOON + timedelta(hours=1))
    assert agenda.until(NOON) == Batch()


def test_booking_goes_on_after_any_error(monkeypatch, caplog):
    """Not only a database that is away: a demo whose bookings have silently ended shows nothing."""
    stop, tries = Event(), []

    def fail(now):
        tries.append(now)
        if len(tries) == 3:
            stop.set()
        raise ZeroDivisionError

    booking = Booking("host=nowhere", PLATFORM, NOON)
    monkeypatch.setattr(booking, "book", fail)
    with sizes(demo_tick_seconds=0.001, demo_retry_seconds=0.001):
        booking.run(stop)

    assert len(tries) == 3
    assert {record.getMessage() for record in caplog.records} == {"booking failed unexpectedly; it is tried again"}
