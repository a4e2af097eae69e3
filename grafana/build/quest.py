"""Quest: one quest, or several chosen ones, in detail; reached by a click on its name."""

from typing import Any

from grafana_foundation_sdk.builders import table, timeseries

from grafana.build import controls, efficiency, providers, summary, utilization, waste
from grafana.build.common import COUNT, GREEN, RED, TEXT, USD, Place, fixed, graph, over_time, rows, threshold_line
from grafana.build.promql import LAYER, QUEST, SETTLED, TODAY, WEEK, by, each_window, per_day, ratio
from grafana.build.tables import Column, listing

UID = "ledger-quest"


def build() -> dict[str, Any]:
    """The whole board as JSON."""
    return controls.board(
        UID,
        "Quest",
        "What a quest was given, what it spent, with whom, and what came of it.",
        [
            controls.quests(every=False),
            controls.layers(),
            controls.providers(),
            controls.window("30d"),
            controls.platform_url(),
        ],
        [
            ("", summary.panels()),
            ("Day by day: $quest", [Place(history(), 0, 0, 12, 9), Place(windows(), 12, 0, 12, 9)]),
            ("Today and providers", [*_today(), *_providers()]),
            ("Efficiency", [Place(efficiency.tasks(), 0, 0, 16, 13), *_efficiency()]),
            ("Waste", _waste()),
        ],
        time_from="now-24h",
    )


def history() -> timeseries.Panel:
    """Spend against allocation, from what Prometheus has kept."""
    panel = graph(
        "Day by day, as recorded",
        "What stood at the end of each UTC day, as Prometheus recorded it: the history begins with the first scrape (or "
        "what was backfilled), and a charge booked later for a past day does not change it. Follows: quest; always 30 days.",
        USD,
        [
            over_time("A", per_day("quest", "ledger_quest_allocated_usd", QUEST), "Budget {{quest}}"),
            over_time("B", per_day("quest", "ledger_quest_spend_usd", QUEST), "Spend {{quest}}"),
        ],
        empty="nothing recorded in this time range",
    )
    panel.interval("1d").time_from("30d")
    panel.override_by_regexp("^Budget .*", [fixed(GREEN), *utilization.day_bars(35, 0.9)])
    return panel.override_by_regexp("^Spend .*", [fixed(RED), *utilization.day_bars(85, 0.6)])


def windows() -> table.Panel:
    """Every window at a glance."""
    impact = each_window("window", "ledger_impact_score", QUEST, LAYER)
    cost = each_window("window", "ledger_impact_cost_usd", QUEST, LAYER)
    return listing(
        "Every window at a glance",
        "Allocated, charged (cost ledger), recorded by the budget ledger itself, impact per dollar and wasted cost of "
        "settled outcomes, each summed over the window's UTC days. Complete from the first scrape. Follows: quest, layer "
        "(impact and waste).",
        [
            rows("A", each_window("window", "ledger_quest_allocated_usd", QUEST)),
            rows("B", each_window("window", "ledger_quest_spend_usd", QUEST)),
            rows("C", each_window("window", "ledger_quest_recorded_spend_usd", QUEST)),
            rows("D", ratio(f"({impact})", f"({cost})")),
            # What has costs and no waste has none.
            rows("E", f"{each_window('window', 'ledger_waste_usd', QUEST, LAYER, SETTLED)} or 0 * ({cost})"),
        ],
        [
            Column("window", "Window", width=90),
            Column("Value #A", "Allocated", USD),
            Column("Value #B", "Spent", USD),
            Column("Value #C", "Recorded", USD),
            Column("Value #D", "Impact per $", COUNT),
            Column("Value #E", "Wasted", USD),
        ],
        key="window",
        empty="nothing known of this quest",
    ).decimals(2)


def impact_trend() -> timeseries.Panel:
    """Whether the quest gets better, and where the alert on a fall begins."""
    week = by("quest", "ledger_quest_impact_per_usd", QUEST, WEEK)
    today = by("quest", "ledger_quest_impact_per_usd", QUEST, TODAY)
    outcomes = by("quest", "ledger_impact_outcomes", QUEST, TODAY)
    enough = by("quest", "ledger_threshold_quest_efficiency_min_outcomes", QUEST, 'severity="warning"')
    allowed = by("quest", "ledger_threshold_quest_efficiency_drop_ratio", QUEST, 'severity="warning"')
    panel = graph(
        "Impact per $ over time",
        "Impact per dollar of the last 7 days, and of the day once it has enough settled outcomes to be judged, as they stood at "
        "each instant; absent where nothing was spent. Dotted: a day below it is alerted on. Follows: quest, time range; all "
        "layers.",
        COUNT,
        [
            over_time("A", week, "7 days: {{quest}}"),
            over_time("B", f"{today} and on (quest) ({outcomes} >= on (quest) {enough})", "The day: {{quest}}"),
            over_time("C", f"{allowed} * on (quest) {week}", "Warning below: {{quest}}"),
        ],
        empty="nothing recorded yet",
    )
    return panel.fill_opacity(0).override_by_regexp("^Warning below: .*", threshold_line(TEXT))


def _today() -> list[Place]:
    return [Place(utilization.today(), 0, 0, 12, 9), Place(utilization.pace(), 12, 0, 12, 9)]


def _providers() -> list[Place]:
    return [Place(providers.shares(), 0, 9, 8, 9), Place(providers.rate_by_provider(), 8, 9, 16, 9)]


def _efficiency() -> list[Place]:
    return [Place(efficiency.layers(), 16, 0, 8, 6), Place(impact_trend(), 16, 6, 8, 7)]


def _waste() -> list[Place]:
    return [
        Place(waste.tasks(), 0, 0, 24, 12),
        Place(waste.costly(), 0, 12, 12, 12),
        Place(waste.share_by_quest(), 12, 12, 12, 12),
    ]
