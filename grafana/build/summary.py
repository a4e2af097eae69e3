"""The first row: where we stand, to be read from across the room."""

from grafana_foundation_sdk.builders import stat
from grafana_foundation_sdk.models.dashboard import DynamicConfigValue as Property

from grafana.build.common import (
    COUNT,
    GREEN,
    ORANGE,
    RED,
    SECONDS,
    SHARE,
    TEXT,
    USD,
    Place,
    Step,
    figure,
    instant,
    named,
)
from grafana.build.promql import (
    DAY_SECONDS,
    LAYER,
    QUEST,
    SETTLED,
    TODAY,
    WINDOW,
    newest_snapshot,
    once,
    projected,
    ratio,
    total,
    total_or_zero,
)

SPENT = total_or_zero("cost", "ledger_quest_spend_usd", QUEST, TODAY)
BUDGET = total("ledger_quest_budget_usd", QUEST)
BUDGET_AGE_DAYS = f"floor(({newest_snapshot()} - max({once('ledger_budget_day_timestamp_seconds')})) / {DAY_SECONDS})"
WASTED = total_or_zero("impact", "ledger_waste_usd", QUEST, LAYER, SETTLED, WINDOW)
SETTLED_COST = total("ledger_impact_cost_usd", QUEST, LAYER, WINDOW)

BUDGET_USED: tuple[Step, ...] = ((None, TEXT), (0, GREEN), (0.9, ORANGE), (1, RED))
WASTE_SHARE: tuple[Step, ...] = ((None, TEXT), (0, GREEN), (0.25, ORANGE), (0.5, RED))
DATA_AGE: tuple[Step, ...] = ((None, TEXT), (0, GREEN), (120, ORANGE), (900, RED))


def panels() -> list[Place]:
    """The whole row."""
    return [
        Place(spent(), 0, 0, 3, 4),
        Place(budget(), 3, 0, 4, 4),
        Place(used(), 7, 0, 3, 4),
        Place(forecast(), 10, 0, 4, 4),
        Place(wasted(), 14, 0, 4, 4),
        Place(impact(), 18, 0, 4, 4),
        Place(age(), 22, 0, 2, 4),
    ]


def spent() -> stat.Panel:
    """Spend today."""
    return figure(
        "Spent today",
        "Charges booked for today (since 00:00 UTC) in the cost ledger, refunds subtracted. Follows: quest.",
        USD,
        [instant("A", SPENT)],
        empty="unknown",
    ).decimals(2)


def budget() -> stat.Panel:
    """The budget, and which day it was made for."""
    day = [
        named("made"),
        Property(id_val="unit", value="suffix: days ago"),
        Property(
            id_val="mappings",
            value=[
                {"type": "value", "options": {"0": {"text": "for today", "color": GREEN, "index": 0}}},
                {"type": "value", "options": {"1": {"text": "yesterday's", "color": ORANGE, "index": 1}}},
            ],
        ),
        Property(id_val="thresholds", value={"mode": "absolute", "steps": [{"value": None, "color": ORANGE}]}),
    ]
    return (
        figure(
            "Budget",
            "Allocations of the newest day in the budget ledger that is not after today, and how old that day is. "
            "Follows: quest.",
            USD,
            [instant("A", BUDGET, "budget"), instant("B", f"{BUDGET_AGE_DAYS} and on () {BUDGET}", "made")],
            empty="none known",
        )
        .decimals(2)
        .override_by_name("made", day)
    )


def used() -> stat.Panel:
    """Spend over budget."""
    return figure(
        "Budget used",
        "Spent today over budget, charges of quests without a budget included. Orange from 90 %, red from 100 %. "
        "Follows: quest.",
        SHARE,
        [instant("A", ratio(SPENT, BUDGET))],
        empty="none known",
        colour=BUDGET_USED,
    ).decimals(0)


def forecast() -> stat.Panel:
    """Where the day ends."""
    spend = projected(SPENT)
    return (
        figure(
            "Projected at 24:00 UTC",
            "Spend at the end of the UTC day if the rest of it costs as much an hour as the day so far, and its share "
            "of the budget. From 01:00 UTC on. Follows: quest.",
            USD,
            [instant("A", spend, "spend"), instant("B", ratio(spend, BUDGET), "of budget")],
            empty="none known",
        )
        .override_by_name("spend", [Property(id_val="decimals", value=2)])
        .override_by_name("of budget", _share_of(BUDGET_USED))
    )


def wasted() -> stat.Panel:
    """Waste, in money and as a share."""
    return (
        figure(
            "Wasted ($window)",
            "Cost of settled outcomes that burnt tokens and produced nothing, and its share of the cost of all "
            "settled outcomes (both from the impact ledger): orange from 25 %, red from 50 %. Pending outcomes are not counted. "
            "Follows: quest, layer, window.",
            USD,
            [instant("A", WASTED, "wasted"), instant("B", ratio(WASTED, SETTLED_COST), "of cost")],
            empty="unknown",
            colour=((None, TEXT), (0.01, RED)),
        )
        .override_by_name("wasted", [Property(id_val="decimals", value=2)])
        .override_by_name("of cost", _share_of(WASTE_SHARE))
    )


def impact() -> stat.Panel:
    """Impact per dollar."""
    score = total("ledger_impact_score", QUEST, LAYER, WINDOW)
    return figure(
        "Impact per $ ($window)",
        "Sum of impact over sum of cost of settled outcomes, failures included. Absent where nothing was spent. "
        "Follows: quest, layer, window.",
        COUNT,
        [instant("A", ratio(score, SETTLED_COST))],
        empty="none known",
    ).decimals(2)


def age() -> stat.Panel:
    """How old the figures are."""
    return figure(
        "Data age",
        "Time since the ledger read longest ago was last read. Orange from 2 minutes, red from 15 minutes, when values "
        "are withdrawn (by default). Of all ledgers; no variable filters it.",
        SECONDS,
        [instant("A", f"time() - min({once('ledger_refresh_last_success_timestamp_seconds')})")],
        empty="no exporter",
        colour=DATA_AGE,
    ).decimals(0)


def _share_of(steps: tuple[Step, ...]) -> list[Property]:
    colours = [{"value": value, "color": colour} for value, colour in steps]
    return [
        Property(id_val="unit", value=SHARE),
        Property(id_val="decimals", value=0),
        Property(id_val="thresholds", value={"mode": "absolute", "steps": colours}),
    ]
