"""Utilization: are we over or under budget, day by day?"""

from grafana_foundation_sdk.builders import timeseries
from grafana_foundation_sdk.models import common as choices
from grafana_foundation_sdk.models.dashboard import DynamicConfigValue as Property

from grafana.build.common import (
    FINEST,
    GREEN,
    PINK,
    RED,
    SHARE,
    SKY,
    TEXT,
    USD,
    VERMILLION,
    Place,
    fixed,
    graph,
    named,
    over_time,
    rows,
    threshold_line,
    transformation,
)
from grafana.build.promql import (
    QUEST,
    TODAY,
    by,
    last_hour,
    latest,
    of_this_day,
    projected,
    ratio,
    total,
    total_or_zero,
)

DAY_SPEND = latest("day", "ledger_day_spend_usd")
DAY_BUDGET = latest("day", "ledger_day_budget_usd")


def panels() -> list[Place]:
    """The month, and today."""
    return [Place(month(), 0, 0, 16, 11), Place(today(), 16, 0, 8, 11)]


def month() -> timeseries.Panel:
    """30 days, complete from the first scrape on: the days come as labels and become instants here."""
    panel = (
        graph(
            "Day by day (all quests)",
            "What was charged on each UTC day against what was allocated for it; a mark on the days that were "
            "over-spent, and spend over budget in per cent on the right. Days without an allocation have no budget. "
            "Platform-wide: no variable filters it; a quest's own history is on its board.",
            USD,
            [
                # Grafana calls the values of a query that answers alone otherwise: so each has a NaN for the other's days.
                rows("A", _as_instant(f"({DAY_BUDGET} or NaN * {DAY_SPEND})")),
                rows("B", _as_instant(f"({DAY_SPEND} or NaN * {DAY_BUDGET})")),
                rows("C", _as_instant(f"({DAY_SPEND} > {DAY_BUDGET})")),
                rows("D", _as_instant(ratio(DAY_SPEND, DAY_BUDGET))),
            ],
            empty="nothing known of the last 30 days",
        )
        .time_from("30d")
        .max_data_points(FINEST)
        .with_transformation(transformation("filterFieldsByName", exclude={"names": ["Time"]}))
        .with_transformation(
            transformation(
                "convertFieldType", fields={}, conversions=[{"targetField": "day", "destinationType": "time"}]
            )
        )
        .with_transformation(transformation("joinByField", byField="day", mode="outer"))
        .with_transformation(transformation("sortBy", fields={}, sort=[{"field": "day"}]))
        .axis_soft_min(0)
    )
    panel.override_by_name("Value #A", [named("Budget"), fixed(GREEN), *day_bars(35, 0.9)])
    panel.override_by_name("Value #B", [named("Spend"), fixed(RED), *day_bars(85, 0.6)])
    panel.override_by_name("Value #C", [named("Over-spent"), fixed(PINK), *_marks()])
    return panel.override_by_name("Value #D", [named("Spend / budget"), fixed(SKY), *_right_axis()])


def today() -> timeseries.Panel:
    """The running day."""
    spent = total_or_zero("cost", "ledger_quest_spend_usd", QUEST, TODAY)
    panel = graph(
        "Today so far",
        "Spend since 00:00 UTC as it grew, against the budget, and where it was heading: spend at 24:00 UTC if the day "
        "went on as it had so far (from 01:00 UTC on). Dotted: what the quests together may spend before each of them is "
        "alerted on, a warning and critical. Follows: quest.",
        USD,
        [
            over_time("A", of_this_day(total("ledger_quest_budget_usd", QUEST)), "Budget"),
            over_time("B", of_this_day(spent), "Spend"),
            over_time("C", of_this_day(f"({projected(spent)})"), "Projected at 24:00"),
            over_time("D", of_this_day(f"({_limit('warning')})"), "Warning from"),
            over_time("E", of_this_day(f"({_limit('critical')})"), "Critical from"),
        ],
        empty="nothing known of today",
    ).time_from("now/d")
    panel.override_by_name("Budget", [fixed(GREEN), _number("custom.fillOpacity", 0)])
    panel.override_by_name("Spend", [fixed(RED), _number("custom.fillOpacity", 40)])
    panel.override_by_name("Warning from", threshold_line(TEXT))
    panel.override_by_name("Critical from", threshold_line(VERMILLION))
    dashes = Property(id_val="custom.lineStyle", value={"fill": "dash", "dash": [8, 8]})
    return panel.override_by_name("Projected at 24:00", [fixed(PINK), dashes, _number("custom.fillOpacity", 0)])


def pace() -> timeseries.Panel:
    """How fast a budget burns."""
    budget = by("quest", "ledger_quest_budget_usd", QUEST)
    allowed = by("quest", "ledger_threshold_quest_fast_burn_ratio", QUEST, 'severity="critical"')
    return graph(
        "Spend of the last hour",
        "What was charged in the hour before each instant, as charges came in. Dotted: an hour's share of the budget, times "
        "what the threshold for fast burn allows; above it the alert is critical if the budget will not last the day. "
        "Follows: quest, time range.",
        USD,
        [
            over_time("A", last_hour("quest", "ledger_spend_usd_total", QUEST), "{{quest}}"),
            over_time("B", f"{allowed} * on (quest) {budget} / 24", "Critical from: {{quest}}"),
        ],
        empty="no charge in this time range",
    ).override_by_regexp("^Critical from: .*", threshold_line(VERMILLION))


def _limit(severity: str) -> str:
    """What the chosen quests may spend together before each is alerted on; absent if one of them never is."""
    budget = by("quest", "ledger_quest_budget_usd", QUEST)
    share = by("quest", "ledger_threshold_quest_budget_used_ratio", QUEST, f'severity="{severity}"')
    return f"sum({budget} * on (quest) {share}) and on () (count({budget}) == count({budget} and on (quest) {share}))"


def _as_instant(days: str) -> str:
    """The label `day` as an instant. Without the Z it would be read as midnight in the browser's zone."""
    return f'label_replace({days}, "day", "${{1}}T00:00:00Z", "day", "(.+)")'


def day_bars(opacity: int, width: float) -> list[Property]:
    """A bar a day, around its 00:00, so that today's can be seen early in the day. Grafana 9 does not know `width`."""
    return [
        Property(id_val="custom.drawStyle", value=choices.GraphDrawStyle.BARS),
        Property(id_val="custom.barAlignment", value=choices.BarAlignment.CENTER),
        Property(id_val="custom.barWidthFactor", value=width),
        _number("custom.fillOpacity", opacity),
        _number("custom.lineWidth", 0),
    ]


def _marks() -> list[Property]:
    return [
        Property(id_val="custom.drawStyle", value=choices.GraphDrawStyle.POINTS),
        Property(id_val="custom.showPoints", value=choices.VisibilityMode.ALWAYS),
        _number("custom.pointSize", 12),
    ]


def _right_axis() -> list[Property]:
    return [
        # No decimals given: with 0, Grafana would write on no tick but those of 0 %, 100 %, 200 %.
        Property(id_val="unit", value=SHARE),
        Property(id_val="custom.axisPlacement", value=choices.AxisPlacement.RIGHT),
        Property(id_val="custom.lineStyle", value={"fill": "dash", "dash": [4, 6]}),
        _number("custom.fillOpacity", 0),
        _number("custom.lineWidth", 2),
        _number("custom.axisSoftMin", 0),
    ]


def _number(option: str, value: float) -> Property:
    return Property(id_val=option, value=value)
