"""Charges added up from plain rows: what counts, by which key and day, and what is left out."""

from __future__ import annotations

import math
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.sums import Spend, TaskNumbers
from exporter.sums.charges import Charge, add_up_charges
from exporter.sums.days import MICROSECONDS_A_DAY
from exporter.sums.numbers import NotANumberError
from exporter.sums.range_sums import CostSums
from tests.support.snapshots import TODAY, usd

MIDNIGHT = TODAY * MICROSECONDS_A_DAY
NOON = MIDNIGHT + MICROSECONDS_A_DAY // 2
FAMILIES = {None: "unknown", "codex-mini": "Codex", "codex-max": "Codex", "glm": "GLM"}


def family(provider: str | None) -> str:
    """A family as a configuration has it; it is never asked about an empty provider."""
    return FAMILIES[provider]


def charge(at: int = NOON, **changes: Any) -> Charge:
    usual: dict[str, Any] = {
        "id": 1,
        "at": at,
        "fingerprint": 7,
        "quest": "q1",
        "provider": "codex-mini",
        "model": "m1",
        "task": "t1",
        "usd": "1",
        "tokens_in": 100,
        "tokens_out": 10,
    }
    assert changes.keys() <= usual.keys()
    return tuple((usual | changes).values())  # type: ignore[return-value]


def added_up(*rows: Charge, now: int = NOON, single_tasks_from: int | None = TODAY - 1) -> CostSums:
    return add_up_charges(rows, now=now, single_tasks_from=single_tasks_from, family=family, numbers=TaskNumbers())


def by_key(rows: Any) -> dict[Any, Spend]:
    found = {(*key, day): sums for key, day, sums in rows}
    assert len(found) == len(rows), "a key and day appears twice"
    return found


KEY = ("Codex", "m1", "q1", TODAY)


class TestSpend:
    def test_no_rows_add_up_to_nothing(self) -> None:
        assert added_up() == CostSums(0, 0, {"instant": 0, "cost": 0}, None, None)

    def test_charges_of_a_family_model_quest_and_day_add_up(self) -> None:
        found = added_up(charge(), charge(provider="codex-max", usd="0.1", tokens_in=1, tokens_out=2))

        assert by_key(found.spend) == {KEY: usd("1.1", 101, 12, 2)}
        assert (found.rows, found.fingerprint, found.rejected) == (2, 14, {"instant": 0, "cost": 0})

    @pytest.mark.parametrize(
        ("change", "key"),
        [
            ({"provider": "glm"}, ("GLM", "m1", "q1", TODAY)),
            ({"model": "m2"}, ("Codex", "m2", "q1", TODAY)),
            ({"quest": "q2"}, ("Codex", "m1", "q2", TODAY)),
            ({"quest": None}, ("Codex", "m1", None, TODAY)),
            ({"at": MIDNIGHT - 1}, ("Codex", "m1", "q1", TODAY - 1)),
            (
                {
                    "at": MIDNIGHT + MICROSECONDS_A_DAY,
                },
                ("Codex", "m1", "q1", TODAY + 1),
            ),
            ({"at": -1}, ("Codex", "m1", "q1", -1)),
        ],
    )
    def test_another_key_or_day_is_added_up_apart(self, change: dict[str, Any], key: tuple[object, ...]) -> None:
        assert by_key(added_up(charge(), charge(**change)).spend) == {
            KEY: usd("1", 100, 10),
            key: usd("1", 100, 10),
        }

    def test_an_empty_text_is_the_same_as_none(self) -> None:
        found = added_up(
            charge(quest="", provider="", model="", task=""), charge(quest=None, provider=None, model=None, task=None)
        )

        assert by_key(found.spend) == {("unknown", None, None, TODAY): usd("2", 200, 20, 2)}
        assert found.first_seen == {("unknown", None): NOON}
        assert (found.tasks, found.task_spend) == ({}, {})

    @pytest.mark.parametrize("usd", [None, "NaN", "Infinity", "-Infinity", "1e101", "-1e101"])
    def test_what_cannot_be_added_up_is_rejected_and_counts_for_nothing(self, usd: str | None) -> None:
        found = added_up(charge(usd=usd))

        assert found == CostSums(1, 7, {"instant": 0, "cost": 1}, oldest=NOON, newest=None)

    def test_the_largest_amounts_are_exact(self) -> None:
        found = added_up(charge(usd="1e100"), charge(usd="1e-300"), charge(usd="-1e100"))

        assert by_key(found.spend)[KEY].usd == Decimal("1e-300")

    def test_floating_point_numbers_are_added_by_their_shortest_text(self) -> None:
        assert by_key(added_up(charge(usd="0.1"), charge(usd="0.2")).spend)[KEY].usd == Decimal("0.3")

    def test_tokens_of_any_type_are_whole_and_absent_ones_0(self) -> None:
        rows = [charge(tokens_in=each, tokens_out=None) for each in (Decimal("1.5"), 2.5, "3", None, math.nan)]

        assert by_key(added_up(*rows).spend) == {KEY: usd("5", 2 + 3 + 3, 0, 5)}

    def test_a_text_that_is_no_number_is_refused(self) -> None:
        with pytest.raises(NotANumberError):
            added_up(charge(usd="free"))


class TestRefunds:
    def test_charges_below_0_are_in_the_spend_and_known_apart(self) -> None:
        found = added_up(charge(), charge(usd="-0.25"), charge(usd="-0.5", provider="codex-max"))

        assert by_key(found.spend) == {KEY: usd("0.25", 300, 30, 3)}
        assert by_key(found.refunds) == {KEY: usd("-0.75", 200, 20, 2)}

    @pytest.mark.parametrize("zero", ["0", "-0", "-0.00"])
    def test_a_charge_of_0_is_no_refund(self, zero: str) -> None:
        assert added_up(charge(usd=zero)).refunds == []


class TestInstants:
    @pytest.mark.parametrize(("at", "newest"), [(NOON - 1, NOON - 1), (NOON, NOON), (NOON + 1, None)])
    def test_the_newest_row_is_not_after_now(self, at: int, newest: int | None) -> None:
        assert added_up(charge(at)).newest == newest

    def test_the_newest_is_accepted_and_the_oldest_any(self) -> None:
        found = added_up(charge(NOON - 9, usd=None), charge(NOON - 5), charge(NOON - 7), charge(NOON, usd="NaN"))

        assert (found.oldest, found.newest) == (NOON - 9, NOON - 5)

    def test_a_model_was_first_seen_at_its_earliest_charge(self) -> None:
        rows = [charge(NOON - 1), charge(NOON - 3, provider="codex-max"), charge(NOON - 2), charge(NOON, model="m2")]

        assert added_up(*rows).first_seen == {("Codex", "m1"): NOON - 3, ("Codex", "m2"): NOON}

    @pytest.mark.parametrize(
        ("at", "is_seen"), [(MIDNIGHT + MICROSECONDS_A_DAY - 1, True), (MIDNIGHT + MICROSECONDS_A_DAY, False)]
    )
    def test_a_model_of_a_day_to_come_was_not_seen_yet(self, at: int, *, is_seen: bool) -> None:
        """One of later today was: midnight decides, not now."""
        assert added_up(charge(at)).first_seen == ({("Codex", "m1"): at} if is_seen else {})


class TestTasks:
    def test_tasks_are_told_apart_by_provider_and_day(self) -> None:
        found = added_up(
            charge(task="a"),
            charge(task="b"),
            charge(task="b", provider="codex-max"),
            charge(task="a", provider="glm"),
            charge(MIDNIGHT - 1, task="a"),
            charge(MIDNIGHT + MICROSECONDS_A_DAY, task="c"),
        )

        assert {key: len(tasks) for key, tasks in found.tasks.items()} == {
            ("Codex", TODAY): 2,
            ("GLM", TODAY): 1,
            ("Codex", TODAY - 1): 1,
            ("Codex", TODAY + 1): 1,
        }
        assert found.tasks["GLM", TODAY] == found.tasks["Codex", TODAY - 1]

    def test_a_task_of_a_rejected_row_was_not_charged(self) -> None:
        assert added_up(charge(usd="NaN")).tasks == {}

    def test_single_tasks_are_added_up_by_quest(self) -> None:
        found = added_up(charge(), charge(usd="-0.5"), charge(quest=None), charge(task="t2"), charge(MIDNIGHT - 1))

        assert found.task_spend == {
            ("t1", "q1"): usd("1.5", 300, 30, 3),
            ("t1", None): usd("1", 100, 10),
            ("t2", "q1"): usd("1", 100, 10),
        }

    @pytest.mark.parametrize(
        ("at", "is_known"),
        [
            (MIDNIGHT - MICROSECONDS_A_DAY - 1, False),
            (MIDNIGHT - MICROSECONDS_A_DAY, True),
            (MIDNIGHT + MICROSECONDS_A_DAY - 1, True),
            (MIDNIGHT + MICROSECONDS_A_DAY, False),
        ],
    )
    def test_single_tasks_are_those_of_whole_days_up_to_today(self, at: int, *, is_known: bool) -> None:
        assert bool(added_up(charge(at)).task_spend) == is_known

    def test_no_single_tasks_are_kept_where_none_are_wanted(self) -> None:
        found = added_up(charge(), single_tasks_from=None)

        assert (found.task_spend, len(found.tasks)) == ({}, 1)


charges = st.builds(
    charge,
    st.sampled_from([NOON, MIDNIGHT, MIDNIGHT - 1, MIDNIGHT - 40 * MICROSECONDS_A_DAY, NOON + MICROSECONDS_A_DAY]),
    quest=st.sampled_from(["q1", "", None]),
    provider=st.sampled_from([*FAMILIES, ""]),
    model=st.sampled_from(["m1", "", None]),
    task=st.sampled_from(["t1", "t2", "", None]),
    usd=st.sampled_from(["1", "0.1", "-3", "NaN", None, "1e100"]),
    tokens_in=st.integers(-5, 5),
    fingerprint=st.integers(),
)


@given(st.lists(charges, max_size=20), st.randoms())
def test_the_order_of_rows_does_not_matter(rows: list[Charge], random: Any) -> None:
    shuffled = random.sample(rows, len(rows))
    numbers = TaskNumbers()
    numbers.of(["t1", "t2"])

    one, other = (
        add_up_charges(some, now=NOON, single_tasks_from=TODAY - 1, family=family, numbers=numbers)
        for some in (rows, shuffled)
    )
    assert one.says() == other.says()
    assert (one.fingerprint, one.task_spend) == (other.fingerprint, other.task_spend)


@given(st.lists(charges, max_size=20))
def test_every_row_is_added_up_or_rejected(rows: list[Charge]) -> None:
    found = added_up(*rows)

    assert found.rows == len(rows)
    assert sum(sums.charges for *_, sums in found.spend) + found.rejected["cost"] == len(rows)
