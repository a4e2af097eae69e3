"""Outcomes added up from plain rows: settled or pending, wasted or not, and which may be ranked."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.sums import RECENT_DAYS, Outcomes, TaskOutcome, Waste, ranked
from exporter.sums.days import MICROSECONDS_A_DAY
from exporter.sums.numbers import NotANumberError
from exporter.sums.outcomes import Judgement, Outcome, add_up_outcomes
from exporter.sums.range_sums import ImpactSums
from tests.support.snapshots import TODAY

MIDNIGHT = TODAY * MICROSECONDS_A_DAY
NOON = MIDNIGHT + MICROSECONDS_A_DAY // 2
SETTLED_BEFORE = NOON - MICROSECONDS_A_DAY
RANKED_FROM = (TODAY - RECENT_DAYS + 1) * MICROSECONDS_A_DAY
KEY = ("q1", "Forge", TODAY)


def outcome(at: int = NOON, **changes: Any) -> Outcome:
    usual: dict[str, Any] = {
        "id": 1,
        "at": at,
        "fingerprint": 7,
        "quest": "q1",
        "layer": "Forge",
        "task": "t1",
        "title": "A title",
        "usd": "2",
        "score": "0.8",
        "tokens": 5000,
    }
    assert changes.keys() <= usual.keys()
    return tuple((usual | changes).values())  # type: ignore[return-value]


def judgement(**changes: Any) -> Judgement:
    usual: dict[str, Any] = {
        "min_tokens": 1000,
        "max_impact": Decimal("0.5"),
        "best": 2,
        "wasted": 2,
        "clean": str.strip,
    }
    return Judgement(**usual | changes)


def added_up(*rows: Outcome, **changes: Any) -> ImpactSums:
    return add_up_outcomes(
        rows, now=NOON, settled_before=SETTLED_BEFORE, ranked_from=RANKED_FROM, judgement=judgement(**changes)
    )


def by_key(rows: Any) -> dict[Any, Any]:
    found = {(*key, day): sums for key, day, sums in rows}
    assert len(found) == len(rows), "a key and day appears twice"
    return found


def sums(impact: str = "0", usd: str = "0", settled: int = 0, pending_usd: str = "0", pending: int = 0) -> Outcomes:
    return Outcomes(Decimal(impact), Decimal(usd), settled, Decimal(pending_usd), pending)


class TestOutcomes:
    def test_no_rows_add_up_to_nothing(self) -> None:
        assert added_up() == ImpactSums(0, 0, {"instant": 0, "cost": 0, "impact": 0}, None, None, lengths=(2, 2))

    def test_outcomes_of_a_quest_layer_and_day_add_up(self) -> None:
        found = added_up(outcome(), outcome(score="0.1", usd="0.2"), outcome(MIDNIGHT - 1), outcome(layer="Atlas"))

        assert by_key(found.outcomes) == {
            KEY: sums("0.9", "2.2", 2),
            ("q1", "Forge", TODAY - 1): sums("0.8", "2", 1),
            ("q1", "Atlas", TODAY): sums("0.8", "2", 1),
        }
        assert (found.rows, found.fingerprint) == (4, 28)

    def test_an_empty_text_is_the_same_as_none(self) -> None:
        found = added_up(
            outcome(quest="", layer="", task="", title=""), outcome(quest=None, layer=None, task=None, title=None)
        )

        assert by_key(found.outcomes) == {(None, None, TODAY): sums("1.6", "4", 2)}
        assert found.best == ()

    @pytest.mark.parametrize("usd", [None, "NaN", "Infinity", "-Infinity", "1e101"])
    def test_a_cost_that_cannot_be_added_up_is_rejected(self, usd: str | None) -> None:
        found = added_up(outcome(usd=usd, score="NaN"))

        assert found.rejected == {"instant": 0, "cost": 1, "impact": 0}
        assert (found.outcomes, found.waste, found.best, found.oldest, found.newest) == ([], [], (), NOON, None)

    @pytest.mark.parametrize("score", ["NaN", "Infinity", "-Infinity"])
    def test_a_score_that_is_not_finite_is_rejected(self, score: str) -> None:
        found = added_up(outcome(score=score))

        assert found.rejected == {"instant": 0, "cost": 0, "impact": 1}
        assert (found.outcomes, found.waste, found.best, found.oldest, found.newest) == ([], [], (), NOON, None)

    @pytest.mark.parametrize("change", [{"usd": "free"}, {"score": "good"}, {"tokens": "many"}])
    def test_a_text_that_is_no_number_is_refused(self, change: dict[str, Any]) -> None:
        with pytest.raises(NotANumberError):
            added_up(outcome(**change))

    @pytest.mark.parametrize(("at", "newest"), [(NOON, NOON), (NOON + 1, None)])
    def test_the_newest_row_is_not_after_now(self, at: int, newest: int | None) -> None:
        assert added_up(outcome(at)).newest == newest


class TestPending:
    @pytest.mark.parametrize(
        ("at", "is_pending"), [(SETTLED_BEFORE - 1, False), (SETTLED_BEFORE, False), (SETTLED_BEFORE + 1, True)]
    )
    def test_an_outcome_without_a_score_is_pending_up_to_the_end_of_its_grace(
        self, at: int, *, is_pending: bool
    ) -> None:
        found = added_up(outcome(at, score=None))

        expected = sums(pending_usd="2", pending=1) if is_pending else sums("0", "2", 1)
        assert by_key(found.outcomes) == {("q1", "Forge", at // MICROSECONDS_A_DAY): expected}
        assert [key[2] for key, _, _ in found.waste] == ["pending" if is_pending else "unscored"]
        assert found.oldest_pending == (at if is_pending else None)

    def test_a_score_settles_an_outcome_at_once(self) -> None:
        found = added_up(outcome(score="0.9"))

        assert (by_key(found.outcomes), found.oldest_pending) == ({KEY: sums("0.9", "2", 1)}, None)

    def test_the_oldest_pending_one_is_known(self) -> None:
        rows = [outcome(NOON - 1, score=None), outcome(NOON - 5, score=None), outcome(NOON - 9), outcome(NOON)]

        assert added_up(*rows).oldest_pending == NOON - 5

    def test_a_rejected_one_is_not_pending(self) -> None:
        assert added_up(outcome(score=None, usd=None)).oldest_pending is None


class TestWaste:
    @pytest.mark.parametrize(
        ("change", "reason"),
        [
            ({"tokens": 1000}, None),
            ({"tokens": 1001, "score": "0.5"}, "low_impact"),
            ({"tokens": 1001, "score": "0.5000000000000001"}, None),
            ({"tokens": 1001, "score": "-1"}, "low_impact"),
            ({"tokens": 1001, "score": None}, "pending"),
            ({"tokens": 1001, "score": None, "at": SETTLED_BEFORE}, "unscored"),
            ({"tokens": 1000, "score": None}, None),
            ({"tokens": Decimal("1000.5"), "score": "0"}, "low_impact"),
            ({"tokens": Decimal("1000.4"), "score": "0"}, None),
            ({"tokens": None, "score": "0"}, None),
        ],
    )
    def test_many_tokens_of_little_impact_are_waste(self, change: dict[str, Any], reason: str | None) -> None:
        found = added_up(outcome(**change))

        assert [key[2] for key, _, _ in found.waste] == ([] if reason is None else [reason])
        assert [each.reason for each in found.wasted] == ([] if reason is None else [reason])

    def test_waste_adds_up_by_quest_layer_reason_and_day(self) -> None:
        rows = [outcome(score="0.1"), outcome(score="0.2", tokens=2000, usd="0.5"), outcome(score=None)]

        assert by_key(added_up(*rows).waste) == {
            ("q1", "Forge", "low_impact", TODAY): Waste(Decimal("2.5"), 7000, 2),
            ("q1", "Forge", "pending", TODAY): Waste(Decimal(2), 5000, 1),
        }


class TestRankings:
    def test_outcomes_are_shown_as_booked_under_a_label_that_is_clean(self) -> None:
        found = added_up(outcome(task=" t1 ", title="", quest="", layer=""))

        expected = TaskOutcome(" t1 ", "t1", None, None, None, Decimal("0.8"), Decimal(2), 5000, NOON)
        assert found.best == (expected,)

    @pytest.mark.parametrize(
        "change", [{"usd": "0"}, {"usd": "-1"}, {"score": "0"}, {"score": "-1"}, {"score": None}, {"task": ""}]
    )
    def test_what_has_no_ratio_above_0_or_no_task_is_not_among_the_best(self, change: dict[str, Any]) -> None:
        assert added_up(outcome(**change)).best == ()

    @pytest.mark.parametrize(
        ("at", "is_ranked"),
        [
            (RANKED_FROM - 1, False),
            (RANKED_FROM, True),
            (MIDNIGHT + MICROSECONDS_A_DAY - 1, True),
            (MIDNIGHT + MICROSECONDS_A_DAY, False),
        ],
    )
    def test_outcomes_of_the_last_30_days_are_ranked(self, at: int, *, is_ranked: bool) -> None:
        found = added_up(outcome(at), outcome(at, score="0"))

        assert (len(found.best), len(found.wasted)) == ((1, 1) if is_ranked else (0, 0))
        assert len(by_key(found.outcomes)) == 1

    def test_a_task_is_ranked_once_with_its_first(self) -> None:
        """Tasks whose labels become one are one."""
        found = added_up(outcome(task="t1", usd="4"), outcome(task=" t1", usd="1"), outcome(task="t2", usd="2"))

        assert [(one.label, one.usd) for one in found.best] == [("t1", 1), ("t2", 2)]

    def test_as_many_labels_are_ranked_as_there_are_places(self) -> None:
        """Rows of a task that has its place do not take those of others."""
        rows = [outcome(task="t1", usd=f"1.{place}") for place in range(9)]
        found = added_up(
            *rows, outcome(task=" t1 ", usd="2"), outcome(task="t2", usd="9"), outcome(task="t3", usd="10")
        )

        assert [one.label for one in found.best] == ["t1", "t2"]

    def test_equal_ratios_are_ranked_by_task(self) -> None:
        """A third of three and a tenth of one are equal to the last digit, in no floating-point number."""
        found = added_up(
            outcome(task="c", score="0.3", usd="3"),
            outcome(task="b", score="0.1", usd="1"),
            outcome(task="a", score="0.7", usd="7"),
        )

        assert [one.task for one in found.best] == ["a", "b"]

    def test_ratios_that_only_exact_arithmetic_tells_apart_are_told_apart(self) -> None:
        a_little = "3.0000000000000000000000001"
        found = added_up(
            outcome(task="a", score="1", usd=a_little), outcome(task="b", score="1", usd="3"), outcome(task="c", usd="9"),
            best=1,
        )  # fmt: skip

        assert [one.task for one in found.best] == ["b"]
        assert found.best[0].impact_per_usd == Fraction(1, 3)

    def test_waste_is_ranked_by_tokens(self) -> None:
        rows = [outcome(task=f"t{tokens}", score="0", tokens=tokens) for tokens in (2000, 9000, 1500, 7000)]

        assert [one.task for one in added_up(*rows).wasted] == ["t9000", "t7000"]

    def test_numbers_of_tokens_beyond_a_float_are_compared_exactly(self) -> None:
        rows = [outcome(task=f"t{extra}", score="0", tokens=2**62 + extra) for extra in (0, 1, 2)]

        assert [one.task for one in added_up(*rows, wasted=1).wasted] == ["t2"]

    def test_rankings_without_places_are_empty(self) -> None:
        found = added_up(outcome(), outcome(score="0"), best=0, wasted=0)

        assert (found.best, found.wasted, found.lengths) == ((), (), (0, 0))

    @pytest.mark.parametrize(("usd", "score"), [("1e-400", "1"), ("1e-300", "1e308"), ("1e100", "5e-324")])
    def test_ratios_that_no_float_holds_are_ranked(self, usd: str, score: str) -> None:
        found = added_up(outcome(task="odd", usd=usd, score=score), outcome(task="t2"), best=2)

        assert {one.task for one in found.best} == {"odd", "t2"}


outcomes = st.builds(
    outcome,
    st.sampled_from([NOON, NOON - 1, RANKED_FROM, SETTLED_BEFORE, MIDNIGHT - 40 * MICROSECONDS_A_DAY]),
    quest=st.sampled_from(["q1", "", None]),
    layer=st.sampled_from(["Forge", ""]),
    task=st.sampled_from(["a", "b", " b", "c", "d", ""]),
    usd=st.sampled_from(
        ["1", "0.1", "3", "3.0000000000000000000000001", "-3", "NaN", None, "1e-300", "3e-324", "7e-324"]
    ),
    score=st.sampled_from([None, "0.1", "0.3", "0.8", "NaN", "1e308", "1", "1e-300", "3e-324"]),
    tokens=st.sampled_from([999, 1001, 2**62, 2**62 + 1, None]),
    fingerprint=st.integers(),
)


@given(st.lists(outcomes, max_size=25), st.integers(0, 4))
def test_rankings_are_those_of_all_outcomes_compared_exactly(rows: list[Outcome], top: int) -> None:
    """Rough weights only spare comparisons."""
    found = added_up(*rows, best=top, wasted=top)
    everything = added_up(*rows, best=len(rows), wasted=len(rows))
    alone = [added_up(row, best=1, wasted=1) for row in rows]

    for name in ("best", "wasted"):
        expected = ranked((one for each in alone for one in getattr(each, name)), len(rows))
        assert [one.rank for one in getattr(everything, name)] == [one.rank for one in expected]
        assert [one.rank for one in getattr(found, name)] == [one.rank for one in expected[:top]]


@given(st.lists(outcomes, max_size=20))
def test_every_row_is_settled_pending_or_rejected(rows: list[Outcome]) -> None:
    found = added_up(*rows)

    assert found.rows == len(rows)
    assert sum(each.rows for *_, each in found.outcomes) + sum(found.rejected.values()) == len(rows)
