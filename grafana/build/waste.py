# ruff: noqa: FBT003  the SDK's builders take their booleans by position
"""Waste: which tasks burnt tokens and produced nothing?"""

from grafana_foundation_sdk.builders import barchart, bargauge, stat, table, timeseries
from grafana_foundation_sdk.builders import common as options
from grafana_foundation_sdk.models import common as choices
from grafana_foundation_sdk.models.dashboard import DynamicConfigValue as Property

from grafana.build.common import (
    COUNT,
    FINEST,
    GREY,
    LAYER_COLOURS,
    REASON_COLOURS,
    RED,
    SHARE,
    TEXT,
    USD,
    WHOLE,
    Place,
    bars,
    figure,
    graph,
    house,
    instant,
    link,
    over_time,
    paint,
    rows,
    threshold_line,
    to_platform,
    to_quest,
    transformation,
)
from grafana.build.promql import (
    LAYER,
    QUEST,
    SETTLED,
    WEEK,
    WINDOW,
    agreed,
    by,
    differing,
    known_zero,
    ratio,
    top,
    total_or_zero,
)
from grafana.build.tables import HIDDEN, NAME, WIDE, Column, badge, bar_cell, listing

WORST = 15
COSTLIEST = 10
QUESTS = 10
NOTHING = "none known"
UNKNOWN = "unknown"


def panels() -> list[Place]:
    """Totals, where it happened, and the tasks."""
    return [
        Place(usd(), 0, 0, 4, 4),
        Place(tokens(), 0, 4, 4, 4),
        Place(pending(), 0, 8, 4, 4),
        Place(quests(), 4, 0, 12, 12),
        Place(reasons(), 16, 0, 8, 5),
        Place(layers(), 16, 5, 8, 7),
        Place(tasks(), 0, 12, 24, 17),
        Place(costly(), 0, 29, 12, 12),
        Place(share_by_layer(), 12, 29, 12, 12),
    ]


def usd() -> stat.Panel:
    """Money wasted."""
    return figure(
        "Wasted $ ($window)",
        "Cost of settled outcomes with more tokens than `ledger_waste_min_tokens` (1000) and no impact above "
        "`ledger_waste_max_impact` (0.5). Follows: quest, layer, window.",
        USD,
        [instant("A", total_or_zero("impact", "ledger_waste_usd", QUEST, LAYER, SETTLED, WINDOW))],
        empty=UNKNOWN,
        colour=((None, TEXT), (0.01, RED)),
    ).decimals(2)


def tokens() -> stat.Panel:
    """Tokens wasted."""
    return figure(
        "Wasted tokens ($window)",
        "Tokens of the same outcomes. Tokens overstate work: judge by the money. Follows: quest, layer, window.",
        COUNT,
        [instant("A", total_or_zero("impact", "ledger_waste_tokens", QUEST, LAYER, SETTLED, WINDOW))],
        empty=UNKNOWN,
        colour=((None, TEXT), (1, RED)),
    )


def pending() -> stat.Panel:
    """What may yet become waste."""
    return figure(
        "Still pending",
        "Outcomes that have no score yet and are younger than the grace period (24 h): their number and cost. They are "
        "neither waste nor success. Follows: quest, layer; always now.",
        COUNT,
        [
            instant("A", total_or_zero("impact", "ledger_pending_outcomes", QUEST, LAYER), "outcomes"),
            instant("B", total_or_zero("impact", "ledger_pending_cost_usd", QUEST, LAYER), "cost"),
        ],
        empty=UNKNOWN,
    ).override_by_name("cost", [Property(id_val="unit", value=USD), Property(id_val="decimals", value=2)])


def quests() -> barchart.Panel:
    """Where it was wasted, and why."""
    worst = top(QUESTS, f"{by('quest', 'ledger_waste_usd', QUEST, LAYER, SETTLED, WINDOW)} > 0")
    panel = (
        house(
            barchart.Panel(),
            "Which quests waste, and why? ($window)",
            f"Cost of wasted outcomes by quest and reason, the {QUESTS} largest: scored too low, or never scored "
            "within the grace period. Follows: quest, layer, window.",
            USD,
            NOTHING,
        )
        .max_data_points(FINEST)
        .targets([rows("A", _because("low_impact", worst)), rows("B", _because("unscored", worst))])
        .with_transformation(transformation("filterFieldsByName", exclude={"names": ["Time"]}))
        .with_transformation(transformation("joinByField", byField="quest", mode="outer"))
        # The largest first, by both reasons together.
        .with_transformation(
            transformation("calculateField", mode="reduceRow", reduce={"reducer": "sum"}, alias="both")
        )
        .with_transformation(transformation("sortBy", fields={}, sort=[{"field": "both", "desc": True}]))
        .with_transformation(transformation("filterFieldsByName", exclude={"names": ["both"]}))
        .x_field("quest")
        .orientation(choices.VizOrientation.HORIZONTAL)
        .stacking(choices.StackingMode.NORMAL)
        .show_value(choices.VisibilityMode.NEVER)
        .x_tick_label_max_length(20)
        .bar_width(0.8)
        .group_width(0.8)
        .fill_opacity(80)
        .line_width(1)
        .legend(
            options.VizLegendOptions()
            .show_legend(True)
            .display_mode(choices.LegendDisplayMode.LIST)
            .placement(choices.LegendPlacement.BOTTOM)
            .calcs([])
        )
        .tooltip(options.VizTooltipOptions().mode(choices.TooltipDisplayMode.MULTI).sort(choices.SortOrder.NONE))
    )
    panel.override_by_name("Value #A", _reason("low_impact", "scored too low"))
    return panel.override_by_name("Value #B", _reason("unscored", "never scored"))


def reasons() -> bargauge.Panel:
    """Why it is waste, pending included but apart."""
    panel = bars(
        "Waste by reason ($window)",
        "Cost by reason: low_impact (scored too low), unscored (never scored within the grace period); in grey, and in no "
        "total, pending: it would be waste if its score never came. Follows: quest, layer, window.",
        USD,
        instant("A", f"sort_desc({by('reason', 'ledger_waste_usd', QUEST, LAYER, WINDOW)})", "{{reason}}"),
        "reason",
        empty=NOTHING,
        colour=RED,
    )
    return paint(panel, REASON_COLOURS)


def layers() -> bargauge.Panel:
    """In which layer it is wasted."""
    panel = bars(
        "Waste by layer ($window)",
        "Cost of wasted outcomes by layer, pending ones left out. Follows: quest, layer, window.",
        USD,
        instant("A", f"sort_desc({by('layer', 'ledger_waste_usd', QUEST, LAYER, SETTLED, WINDOW)})", "{{layer}}"),
        "layer",
        empty=NOTHING,
        colour=RED,
    )
    return paint(panel, LAYER_COLOURS)


def share_by_layer() -> timeseries.Panel:
    """Whether the layers get better, and where the alert begins."""
    cost = by("layer", "ledger_impact_cost_usd", QUEST, LAYER, WEEK)
    wasted = by("layer", "ledger_waste_usd", QUEST, LAYER, SETTLED, WEEK)
    allowed = by("layer", "ledger_threshold_layer_waste_ratio", LAYER, 'severity="warning"')
    return paint(
        _share_wasted(
            "Share wasted by layer, 7 days",
            "layer",
            ratio(f"({wasted} or 0 * {cost})", cost),
            f"({allowed} and on (layer) {cost})",
            "Follows: quest, layer, time range; the alert is on all quests together; always 7 days.",
        ),
        LAYER_COLOURS,
    )


def share_by_quest() -> timeseries.Panel:
    """Whether a quest gets better, and where the alert begins."""
    cost = by("quest", "ledger_impact_cost_usd", QUEST, LAYER, WEEK)
    wasted = by("quest", "ledger_waste_usd", QUEST, LAYER, SETTLED, WEEK)
    allowed = by("quest", "ledger_threshold_quest_waste_ratio", QUEST, 'severity="warning"')
    return _share_wasted(
        "Share wasted, 7 days",
        "quest",
        ratio(f"({wasted} or 0 * {cost})", cost),
        f"({allowed} and on (quest) {cost})",
        "Follows: quest, layer, time range; the alert is on all layers together; always 7 days.",
    )


def _share_wasted(title: str, label: str, share: str, allowed: str, follows: str) -> timeseries.Panel:
    panel = graph(
        title,
        "Cost of wasted outcomes over the cost of all settled outcomes of the last 7 days, as it stood at each instant. "
        f"Dotted: the share from which an alert warns, if the sum is large enough to matter. {follows}",
        SHARE,
        [
            over_time("A", share, f"{{{{{label}}}}}"),
            over_time("B", agreed(allowed), "Warning from"),
            over_time("C", differing(allowed), f"Warning from: {{{{{label}}}}}"),
        ],
        empty="no cost known in this time range",
    )
    return panel.fill_opacity(0).override_by_regexp("^Warning from.*", threshold_line(TEXT))


def tasks() -> table.Panel:
    """The heaviest wasted tasks."""
    heaviest = top(WORST, by("task, quest, layer, reason, title", "ledger_wasted_task_tokens", QUEST, LAYER, SETTLED))
    return listing(
        f"The {WORST} worst tasks of the last 30 days",
        "Wasted outcomes with the most tokens, each task by its heaviest one; no impact means it was never scored. "
        "The exporter publishes the platform's worst (50 by default): a quest or layer is shown with those of its tasks "
        "that are among them. Follows: quest, layer; always 30 days; pending ones left out.",
        [
            rows("A", heaviest),
            rows("B", _of_these("ledger_wasted_task_usd", heaviest)),
            rows("C", _of_these("ledger_wasted_task_impact_score", heaviest)),
        ],
        [
            Column(
                "title",
                "Task",
                properties=(link(to_platform("Task on the platform", "tasks", "__data.fields.task")), *WIDE),
            ),
            Column("quest", "Quest", properties=(link(to_quest("__data.fields.quest")),)),
            Column("layer", "Layer", width=85, properties=badge(LAYER_COLOURS)),
            Column("reason", "Reason", width=95, properties=badge(REASON_COLOURS)),
            Column("Value #A", "Tokens", WHOLE, 130, bar_cell(RED)),
            Column("Value #B", "Cost", USD, 72),
            Column("Value #C", "Impact", COUNT, 65),
            Column("task", "Task id", properties=HIDDEN),
        ],
        key="task",
        sort="Tokens",
        empty="none known among the worst of 30 days",
        longest="A",
    )


def costly() -> table.Panel:
    """The most expensive tasks right now, finished or not: where a runaway shows first."""
    costliest = top(COSTLIEST, by("task, quest", "ledger_costly_task_usd", QUEST))
    allowed = by("quest", "ledger_threshold_quest_task_usd", QUEST, 'severity="critical"')
    return listing(
        "The costliest tasks since yesterday",
        "Charges of today and yesterday (UTC) by task, finished or not: a runaway loop shows here before its outcome is "
        "booked. Alert from: what the quest's threshold allows a task while it goes on. The exporter publishes the platform's "
        "costliest (50 by default). Follows: quest; always two days.",
        [
            rows("A", costliest),
            rows("B", f"{by('task, quest', 'ledger_costly_task_tokens', QUEST)} and on (task, quest) {costliest}"),
            rows("C", f"0 * {costliest} + on (quest) group_left () {allowed}"),
        ],
        [
            Column(
                "task",
                "Task",
                properties=(link(to_platform("Task on the platform", "tasks", "__data.fields.task")), *NAME),
            ),
            Column("quest", "Quest", properties=(link(to_quest("__data.fields.quest")),)),
            Column("Value #A", "Cost", USD, 125, bar_cell(GREY)),
            Column("Value #C", "Alert from", USD, 85),
            Column("Value #B", "Tokens", COUNT, 80),
        ],
        sort="Cost",
        empty="none known among the costliest",
        longest="A",
    )


def _because(reason: str, worst: str) -> str:
    wasted = by("quest", "ledger_waste_usd", QUEST, LAYER, f'reason="{reason}"', WINDOW)
    # Grafana calls the values of a query that answers alone otherwise: so each has a 0 for the other's quests.
    return f"({wasted} and on (quest) {worst}) or 0 * {worst} or {_in_words(worst)}"


def _in_words(worst: str) -> str:
    """A bar of 0 whose name says why there are no others: Grafana 9 has no words of the panel's own for an empty bar chart."""
    known = known_zero("impact")
    nothing = f"{known} unless on () {worst}"
    unknown = f"vector(0) unless on () ({known} or {worst})"
    return f'label_replace({nothing}, "quest", "nothing wasted", "", "") or label_replace({unknown}, "quest", "nothing known", "", "")'


def _of_these(metric: str, heaviest: str) -> str:
    return f"{by('task', metric, QUEST, LAYER, SETTLED)} and on (task) {heaviest}"


def _reason(reason: str, words: str) -> list[Property]:
    colour = {"mode": "fixed", "fixedColor": REASON_COLOURS[reason]}
    return [Property(id_val="displayName", value=words), Property(id_val="color", value=colour)]
