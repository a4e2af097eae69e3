"""Every published figure is what independent SQL says of the same ledgers, to the last digit before the float."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.oracle import Key, Options, Oracle, samples
from tests.support.comparison import differences
from tests.support.histories import (
    RELATIONS,
    Delete,
    History,
    Ledgers,
    Platform,
    Row,
    Wait,
    histories,
    moments,
    round_dollars,
)
from tests.support.product import Product

pytestmark = pytest.mark.both_servers

FEW = Options(
    quests=3, models=2, provider_limit=2, layers=2, combinations=4, best_tasks=3, worst_tasks=3, costly_tasks=3
)
"""Limits so small that most of what is drawn is beyond them."""

OPTIONAL = (
    ("cost", "model"),
    ("cost", "task_id"),
    ("cost", "quest_id"),
    ("cost", "tokens_out"),
    ("impact", "title"),
    ("impact", "quest_id"),
    ("impact", "layer"),
    ("budget", "quest_name"),
    ("budget", "spent_usd"),
)


NOON = datetime(2026, 4, 10, 12, tzinfo=UTC)

fewer = settings(max_examples=settings().max_examples // 2 or 1)
"""For tests whose examples take several refreshes."""


def agree(dsns: list[str], now: datetime, options: Options | None = None) -> dict[Key, float]:
    """Check that a process started now publishes what the oracle says, and return it."""
    with Product(dsns, options) as product:
        published = product.refresh(now)
    assert differences(samples(dsns, now, options), published) == []
    return published


# --- one refresh -----------------------------------------------------------------------------------------------------


@given(moment=moments())
def test_every_figure_of_any_ledger_is_exact(database: str, moment: tuple[datetime, Ledgers]) -> None:
    """All views, all windows, nothing folded."""
    now, ledgers = moment
    with Platform(database) as platform:
        platform.begin(ledgers)
        agree([database], now)


@given(moment=moments())
def test_every_figure_is_exact_beyond_the_limits(database: str, moment: tuple[datetime, Ledgers]) -> None:
    """What is beyond a limit is in `other`, whole."""
    now, ledgers = moment
    with Platform(database) as platform:
        platform.begin(ledgers)
        agree([database], now, FEW)


@fewer
@given(moment=moments(), options=st.sampled_from([Options(), FEW]))
def test_the_parts_of_a_ledger_in_several_databases_add_up(
    database: str, shard: str, moment: tuple[datetime, Ledgers], options: Options
) -> None:
    """Two shards say what one database with all rows says."""
    now, ledgers = moment
    dsns = [database, shard]
    with ExitStack() as stack:
        for dsn, part in zip(dsns, ledgers.split(), strict=True):
            stack.enter_context(Platform(dsn)).begin(part)
        agree(dsns, now, options)


@fewer
@given(moment=moments(most=15), absent=st.sets(st.sampled_from(OPTIONAL), min_size=1))
def test_optional_columns_may_be_missing(
    database: str, moment: tuple[datetime, Ledgers], absent: set[tuple[str, str]]
) -> None:
    """What needs a missing column is not published, all else is exact."""
    now, ledgers = moment
    with Platform(database) as platform:
        platform.begin(ledgers)
        agree([database], now, Options(absent=frozenset(absent)))


def test_empty_ledgers_are_known_to_be_empty(database: str) -> None:
    """No charge at all is a spend of 0 on each of 30 days, and no budget."""
    published = agree([database], NOON)
    assert sum(metric == "ledger_day_spend_usd" for metric, _ in published) == 30
    assert not any(metric == "ledger_day_budget_usd" for metric, _ in published)


# --- wholes and parts ------------------------------------------------------------------------------------------------

PARTS = (
    ("ledger_provider_spend_usd", "ledger_model_spend_usd", ("provider", "window")),
    ("ledger_provider_spend_usd", "ledger_quest_provider_spend_usd", ("provider", "window")),
    ("ledger_provider_spend_usd", "ledger_quest_spend_usd", ("window",)),
    ("ledger_quest_provider_spend_usd", "ledger_quest_spend_usd", ("window",)),
)
DAYS = (
    ("ledger_day_spend_usd", "ledger_quest_spend_usd"),
    ("ledger_day_spend_usd", "ledger_quest_provider_spend_usd"),
    ("ledger_day_budget_usd", "ledger_quest_allocated_usd"),
)


@fewer
@given(moment=moments(usd=round_dollars), options=st.sampled_from([Options(), FEW]))
def test_sums_of_parts_are_the_whole(database: str, moment: tuple[datetime, Ledgers], options: Options) -> None:
    """Within one scrape every way to add up the money gives the same sum."""
    now, ledgers = moment
    with Platform(database) as platform, Product([database], options) as product:
        platform.begin(ledgers)
        published = product.refresh(now)
    for whole, part, by in PARTS:
        assert _added(published, part, by) == _added(published, whole, by), f"{part} by {by}"
    for days, windows in DAYS:
        month = _added(published, windows, ("window",)).get(("30d",), 0)
        assert _added(published, days, ()).get((), 0) == month, days


def _added(published: dict[Key, float], metric: str, by: Iterable[str]) -> dict[tuple[str, ...], Fraction]:
    """The exact sums of a metric by some of its labels, but for those that are 0."""
    sums: dict[tuple[str, ...], Fraction] = defaultdict(Fraction)
    for (name, labels), value in published.items():
        if name == metric:
            sums[tuple(dict(labels)[label] for label in by)] += Fraction(value)
    return {labels: value for labels, value in sums.items() if value}


# --- refresh after refresh -------------------------------------------------------------------------------------------


def follow(database: str, history: History, options: Options | None = None) -> None:
    """Check every refresh of a process through a history, counters included."""
    now = history.now
    with (
        Platform(database) as platform,
        Product([database], options) as product,
        Oracle([database], options) as oracle,
    ):
        platform.begin(history.ledgers)
        for step in ((), *history.steps):
            for action in step:
                now = platform.happen(action, now)
            readable = [ledger for ledger in RELATIONS if ledger not in platform.withdrawn]
            published = product.refresh(now)
            assert differences(oracle.refresh(now, readable), published) == [], f"at {now} after {step}"


@fewer
@given(history=histories())
def test_every_refresh_of_a_history_is_exact(database: str, history: History) -> None:
    """Days pass, rows come, change and go, and the budget ledger is withdrawn: its names outlive it."""
    follow(database, history)


@fewer
@given(history=histories(withdrawn=("cost", "impact", "budget")))
def test_any_ledger_may_be_withdrawn(database: str, history: History) -> None:
    """Held until max_age, without today and yesterday once the day has changed, then gone, then back."""
    follow(database, history)


@fewer
@given(history=histories(withdrawn=()))
def test_who_is_folded_is_decided_once_a_day(database: str, history: History) -> None:
    """Within a day those who stay stay; at midnight they are chosen anew."""
    follow(database, history, FEW)


def _charge(at: str, usd: str, quest: str | None = "q1", task: str | None = "t1", model: str = "m1") -> Row:
    return (at, "codex", model, task, quest, "100", "10", usd)


def _windows(published: dict[Key, float], metric: str) -> dict[str, float]:
    return {dict(labels)["window"]: value for (name, labels), value in published.items() if name == metric}


def test_a_ledger_that_cannot_be_read_is_held_then_withdrawn(database: str) -> None:
    """Its day's windows go at midnight, all of it at max_age, and it is back as soon as it can be read."""
    late = datetime(2026, 4, 10, 23, 59, 50, tzinfo=UTC)
    steps = [
        (late, True, {"today", "yesterday", "7d", "30d", "all"}),
        (late + timedelta(seconds=5), False, {"today", "yesterday", "7d", "30d", "all"}),
        (late + timedelta(seconds=20), False, {"7d", "30d", "all"}),
        (late + timedelta(minutes=15), False, {"7d", "30d", "all"}),
        (late + timedelta(minutes=15, microseconds=1), False, set()),
        (late + timedelta(minutes=16), True, {"today", "yesterday", "7d", "30d", "all"}),
    ]
    with Platform(database) as platform, Product([database]) as product, Oracle([database]) as oracle:
        platform.begin(
            Ledgers(
                cost=(_charge("2026-04-10T20:00:00Z", "2.5"),),
                impact=(("2026-04-10T20:00:00Z", "t1", "A title", "q1", "Forge", "5000", "2.5", None),),
                budget=(("q1", "Alpha", "2026-04-10", "10", "2"),),
            )
        )
        for now, readable, windows in steps:
            if readable:
                platform.restore()
            else:
                for ledger in RELATIONS:
                    platform.withdraw(ledger)
            published = product.refresh(now)
            assert differences(oracle.refresh(now, RELATIONS if readable else ()), published) == []
            for metric in ("ledger_quest_spend_usd", "ledger_quest_allocated_usd", "ledger_impact_cost_usd"):
                assert set(_windows(published, metric)) == windows, f"{metric} at {now}"


def test_counters_take_growth_and_never_a_fall(database: str) -> None:
    """Old charges are no growth, a new label set is 0 first, a correction downwards is kept back, a refund is no spend."""

    def spend(model: str) -> float | None:
        counters = {labels: usd for (name, labels), usd in published.items() if name == "ledger_spend_usd_total"}
        return {dict(labels)["model"]: usd for labels, usd in counters.items()}.get(model)

    with Platform(database) as platform, Product([database]) as product, Oracle([database]) as oracle:
        platform.begin(Ledgers(cost=(_charge("2026-04-10T10:00:00Z", "5"),)))
        expected = [
            ([], 0, None),
            ([("2026-04-10T11:00:00Z", "1.5", "m1")], 1.5, None),
            ([("2026-04-10T11:00:00Z", "-1", "m1"), ("2026-04-10T11:00:00Z", "3", "m2")], 1.5, 0),
            ([("2026-04-10T11:00:00Z", "0.25", "m2")], 1.5, 3.25),
            ([("2026-04-11T00:00:00Z", "8", "m2")], 1.5, 3.25),
        ]
        now = NOON
        for rows, first, second in expected:
            platform.add("cost", [_charge(at, usd, model=model) for at, usd, model in rows])
            published = product.refresh(now)
            assert differences(oracle.refresh(now), published) == []
            assert (spend("m1"), spend("m2")) == (first, second)
            now += timedelta(seconds=15)
        platform.delete("cost", 0)
        for later, first, second in ((now, 1.5, 3.25), (NOON + timedelta(1), 1.5, 11.25)):
            published = product.refresh(later)
            assert differences(oracle.refresh(later), published) == []
            assert (spend("m1"), spend("m2")) == (first, second)


# --- named cases -----------------------------------------------------------------------------------------------------


def test_the_documented_spellings_of_providers_have_their_families(database: str) -> None:
    """The default patterns know the ways providers are written; what they do not know is `other`, NULL is `unknown`."""
    spellings = ["bedrock/claude-3", "MiniMax-M2", "codex-mini", "max", "GLM-4.6", "openai", None]
    with Platform(database) as platform:
        platform.begin(
            Ledgers(
                cost=tuple(("2026-04-10T10:00:00Z", provider, "m", "t", "q", "1", "1", "1") for provider in spellings)
            )
        )
        published = agree([database], NOON)
    charges = {
        dict(labels)["provider"]: value
        for (name, labels), value in published.items()
        if name == "ledger_provider_charges" and dict(labels)["window"] == "today"
    }
    assert charges == {"Bedrock": 1, "MiniMax": 2, "Codex": 1, "GLM": 1, "other": 1, "unknown": 1}


@pytest.mark.parametrize(
    ("allocated", "expected"),
    [
        ([("q1", "Alpha"), ("q2", None)], {"Alpha": "q1", "q2": "q2"}),
        ([("q2", "Alpha"), ("q10", "Alpha")], {"Alpha": "q10", "Alpha (q2)": "q2"}),
        ([("other", None), ("unknown", None)], {"other (other)": "other", "unknown (unknown)": "unknown"}),
        ([("q1", "other"), (None, "Nobody's")], {"other (q1)": "q1", "unknown": ""}),
        ([("b", 'Say "hi"'), ("a", "Say 'hi'")], {"Say 'hi'": "a", "Say 'hi' (b)": "b"}),
        ([("a", "x" * 120), ("b", "x" * 121)], {"x" * 120: "a", "x" * 116 + " (b)": "b"}),
        ([("q1", "Alpha"), ("q1", "Aleph")], {"Aleph": "q1"}),
    ],
)
def test_quests_have_one_name_each(
    database: str, allocated: list[tuple[str | None, str | None]], expected: dict[str, str]
) -> None:
    """Names clash, are reserved, too long or missing, and every quest still has a label of its own."""
    with Platform(database) as platform:
        platform.begin(Ledgers(budget=tuple((quest, name, "2026-04-10", "1", "0") for quest, name in allocated)))
        published = agree([database], NOON)
    named = {
        dict(labels)["quest"]: dict(labels)["quest_id"] for name, labels in published if name == "ledger_quest_info"
    }
    assert named == expected


def test_a_label_that_changes_hands_names_its_new_quest(database: str) -> None:
    """A quest with the other's id for a name has its label, until its allocation is gone."""
    outcome = ("2026-04-10T10:00:00Z", "t1", None, "beta", "Forge", "10", "1", "1")
    history = History(
        NOON,
        Ledgers(impact=(outcome,), budget=(("alpha", "beta", "2026-04-10", "1", "0"),)),
        steps=((Delete("budget", 0),),),
    )
    follow(database, history)


def test_a_day_passing_moves_the_windows(database: str) -> None:
    """A charge goes from today to yesterday to 7d to 30d to all, and one dated tomorrow arrives tomorrow."""
    ledgers = Ledgers(cost=(_charge("2026-04-10T23:59:59.999999Z", "1"), _charge("2026-04-11T00:00:00Z", "2")))
    waits = tuple((Wait(timedelta(days)),) for days in (1, 1, 4, 1, 1, 22, 1, 1))
    follow(database, History(NOON, ledgers, waits))
