# ruff: noqa: FBT003, PLR0913  the SDK's builders take their booleans by position; a panel has many properties, given by name
"""House defaults: colours, links, and one constructor for each kind of panel.

Everything works in Grafana 9.3 to 12 with core panels only.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

from grafana_foundation_sdk.builders import barchart as barcharts
from grafana_foundation_sdk.builders import bargauge, dashboard, piechart, prometheus
from grafana_foundation_sdk.builders import common as options
from grafana_foundation_sdk.builders import stat as stats
from grafana_foundation_sdk.builders import table as tables
from grafana_foundation_sdk.builders import timeseries as graphs
from grafana_foundation_sdk.cog.builder import Builder
from grafana_foundation_sdk.cog.variants import Dataquery
from grafana_foundation_sdk.models import common as choices
from grafana_foundation_sdk.models import dashboard as models
from grafana_foundation_sdk.models import piechart as pies
from grafana_foundation_sdk.models.prometheus import PromQueryFormat

DATASOURCE = models.DataSourceRef(type_val="prometheus", uid="${datasource}")

USD = "currencyUSD"
COUNT = "short"
SHARE = "percentunit"
SECONDS = "s"
NUMBER = "none"
WHOLE = "locale"  # every digit, as in 12,345

# After Okabe and Ito: told apart by people who do not see red and green, too, on dark and on light. Red is redder than theirs, so
# that it is not taken for orange; it still differs from green by 23 or more (CIE76) with protanopia and deuteranopia.
GREEN = "#009E73"
RED = "#E0342F"
VERMILLION = "#D55E00"
ORANGE = "#E69F00"
SKY = "#56B4E9"
BLUE = "#2F80D0"
PINK = "#CC79A7"
YELLOW = "#D9C022"
GREY = "#8E8E8E"
DARK_GREY = "#757575"
TEXT = "text"

PROVIDER_COLOURS = {
    "MiniMax": ORANGE,
    "Codex": SKY,
    "Bedrock": GREEN,
    "GLM": PINK,
    "Anthropic": VERMILLION,
    "OpenAI": BLUE,
    "Google": YELLOW,
    "other": GREY,
    "unknown": DARK_GREY,
}
LAYER_COLOURS = {
    "Agora": BLUE,
    "Exchange": ORANGE,
    "Forge": VERMILLION,
    "Atlas": GREEN,
    "Senate": PINK,
    "other": GREY,
    "unknown": DARK_GREY,
}
REASON_COLOURS = {"low_impact": RED, "unscored": PINK, "pending": GREY}

# Grafana 9 asks an instant query for the last multiple of the panel's step, by default minutes or hours ago. So many points make the
# step as small as it lets one have: 15 s for a day, a minute for a week.
FINEST = 11_000

# What a pie's legend has room for at 1280 pixels.
LEGEND_CHARACTERS = 28

Step = tuple[float | None, str]
Property = models.DynamicConfigValue
Query = Builder[Dataquery]


class Built(Protocol):
    """What every panel builder can do."""

    def build(self) -> models.Panel:
        """Return the panel."""


@dataclass(frozen=True)
class Place:
    """A panel and its place within its section, in the 24 columns of the grid."""

    panel: Built
    x: int
    y: int
    w: int
    h: int


AnyPanel = TypeVar("AnyPanel", stats.Panel, tables.Panel, graphs.Panel, piechart.Panel, bargauge.Panel, barcharts.Panel)


# Queries


def instant(ref: str, expr: str, legend: str = "") -> prometheus.Dataquery:
    """The value now, as one series a label set."""
    return _query(ref, expr, legend).instant()


def rows(ref: str, expr: str) -> prometheus.Dataquery:
    """The value now, as a table with a column a label and the value in `Value #<ref>`."""
    return _query(ref, expr).instant().format(PromQueryFormat.TABLE)


def over_time(ref: str, expr: str, legend: str = "") -> prometheus.Dataquery:
    """The value at each step of the panel's time range."""
    return _query(ref, expr, legend).range()


def _query(ref: str, expr: str, legend: str = "") -> prometheus.Dataquery:
    query = prometheus.Dataquery().ref_id(ref).expr(expr).datasource(DATASOURCE)
    return query.legend_format(legend) if legend else query


# Panels


def house(panel: AnyPanel, title: str, description: str, unit: str, empty: str) -> AnyPanel:
    """What all panels have: a title, the definition of what they show, a unit, and words for when there is nothing."""
    return panel.title(title).description(description).datasource(DATASOURCE).unit(unit).no_value(empty)


def figure(
    title: str,
    description: str,
    unit: str,
    queries: Sequence[prometheus.Dataquery],
    *,
    empty: str = "unknown",
    colour: Sequence[Step] = ((None, TEXT),),
) -> stats.Panel:
    """A figure to be read from across the room; series of queries that have legends stand side by side with their names."""
    several = any(query.build().legend_format for query in queries)
    text = choices.BigValueTextMode.VALUE_AND_NAME if several else choices.BigValueTextMode.VALUE
    return (
        house(stats.Panel(), title, description, unit, empty)
        .targets(list(queries))
        .max_data_points(FINEST)
        .graph_mode(choices.BigValueGraphMode.NONE)
        .color_mode(choices.BigValueColorMode.VALUE)
        .justify_mode(choices.BigValueJustifyMode.AUTO)
        .text_mode(text)
        .orientation(choices.VizOrientation.AUTO)
        .reduce_options(options.ReduceDataOptions().calcs(["lastNotNull"]).values(False).fields(""))
        .color_scheme(dashboard.FieldColor().mode(models.FieldColorModeId.THRESHOLDS))
        .thresholds(thresholds(colour))
    )


def graph(
    title: str, description: str, unit: str, queries: Sequence[prometheus.Dataquery], *, empty: str = "no data"
) -> graphs.Panel:
    """Lines over time."""
    return (
        house(graphs.Panel(), title, description, unit, empty)
        .targets(list(queries))
        .line_width(2)
        .fill_opacity(10)
        .show_points(choices.VisibilityMode.NEVER)
        .span_nulls(False)
        .axis_soft_min(0)
        .legend(_legend(choices.LegendPlacement.BOTTOM))
        .tooltip(options.VizTooltipOptions().mode(choices.TooltipDisplayMode.MULTI).sort(choices.SortOrder.DESCENDING))
        .color_scheme(dashboard.FieldColor().mode(models.FieldColorModeId.PALETTE_CLASSIC))
    )


def stacked(panel: graphs.Panel) -> graphs.Panel:
    """The same lines on top of each other, so that the upper edge is the sum."""
    stacking = options.StackingConfig().mode(choices.StackingMode.NORMAL).group("A")
    return panel.stacking(stacking).fill_opacity(50).line_width(1)


def pie(
    title: str, description: str, unit: str, query: prometheus.Dataquery, *, empty: str = "no data"
) -> piechart.Panel:
    """Shares of a whole; the legend tells name, amount and share."""
    legend = (
        piechart.PieChartLegendOptions()
        .show_legend(True)
        .display_mode(choices.LegendDisplayMode.TABLE)
        .placement(choices.LegendPlacement.RIGHT)
        .values([pies.PieChartLegendValues.VALUE, pies.PieChartLegendValues.PERCENT])
    )
    return (
        house(piechart.Panel(), title, description, unit, empty)
        .with_target(query)
        # A long name would push amount and share out of the legend. Links go by the label, which stays whole.
        .with_transformation(
            transformation("renameByRegex", regex=f"^(.{{{LEGEND_CHARACTERS}}}).{{2,}}$", renamePattern="$1…")
        )
        .max_data_points(FINEST)
        .pie_type(pies.PieChartType.DONUT)
        .display_labels([pies.PieChartLabels.PERCENT])
        .legend(legend)
        .reduce_options(options.ReduceDataOptions().calcs(["lastNotNull"]).values(False).fields(""))
        .tooltip(options.VizTooltipOptions().mode(choices.TooltipDisplayMode.SINGLE))
        .color_scheme(dashboard.FieldColor().mode(models.FieldColorModeId.PALETTE_CLASSIC))
    )


def bars(
    title: str,
    description: str,
    unit: str,
    query: prometheus.Dataquery,
    label: str,
    *,
    empty: str = "no data",
    colour: str = SKY,
) -> bargauge.Panel:
    """One bar a series, on its own line with the value of its `label` and its number."""
    return (
        house(bargauge.Panel(), title, description, unit, empty)
        .with_target(query)
        .max_data_points(FINEST)
        # Given so, the name is there when there is one bar, too.
        .display_name(f"${{__field.labels.{label}}}")
        .min(0)
        .orientation(choices.VizOrientation.HORIZONTAL)
        .display_mode(choices.BarGaugeDisplayMode.BASIC)
        .value_mode(choices.BarGaugeValueMode.TEXT)
        .show_unfilled(False)
        .min_viz_height(16)
        .max_viz_height(48)
        .text(options.VizTextDisplayOptions().title_size(12).value_size(14))
        .reduce_options(options.ReduceDataOptions().calcs(["lastNotNull"]).values(False).fields(""))
        .color_scheme(dashboard.FieldColor().mode(models.FieldColorModeId.FIXED).fixed_color(colour))
    )


# Parts of panels


def transformation(name: str, **settings: object) -> models.DataTransformerConfig:
    """A step between the queries and the drawing."""
    return models.DataTransformerConfig(id_val=name, options=settings)


def thresholds(steps: Sequence[Step]) -> dashboard.ThresholdsConfig:
    """Colours from a value on; the first step has none."""
    return (
        dashboard.ThresholdsConfig()
        .mode(models.ThresholdsMode.ABSOLUTE)
        .steps([models.Threshold(value=value, color=colour) for value, colour in steps])
    )


def fixed(colour: str) -> Property:
    """One colour, whatever the value."""
    return Property(id_val="color", value={"mode": "fixed", "fixedColor": colour})


def named(name: str) -> Property:
    """What legend and tooltip call a field."""
    return Property(id_val="displayName", value=name)


def paint(panel: AnyPanel, colours: dict[str, str]) -> AnyPanel:
    """The same colour for the same name in every panel."""
    for name, colour in colours.items():
        panel.override_by_name(name, [fixed(colour)])
    return panel


def threshold_line(colour: str) -> list[Property]:
    """A dotted line: where an alert begins."""
    return [
        fixed(colour),
        Property(id_val="custom.lineStyle", value={"fill": "dot", "dash": [0, 8]}),
        Property(id_val="custom.fillOpacity", value=0),
    ]


def link(*targets: dict[str, Any]) -> Property:
    """Where a click on a value leads."""
    return Property(id_val="links", value=list(targets))


def to_quest(name: str) -> dict[str, Any]:
    """The Quest board; `name` is where the quest's label stands: a column or a label of the series."""
    return to_board("Open quest", "ledger-quest", "quest", name)


def to_provider(name: str) -> dict[str, Any]:
    """The Provider board."""
    return to_board("Open provider", "ledger-provider", "provider", name)


def to_board(title: str, uid: str, variable: str, name: str) -> dict[str, Any]:
    """A board with one value chosen, which stands where `name` says: a column or a label of the series."""
    keep = "${datasource:queryparam}&${window:queryparam}&${platform_url:queryparam}&${__url_time_range}"
    return {"title": title, "url": f"/d/{uid}/?var-{variable}=${{{name}:percentencode}}&{keep}"}


def to_platform(title: str, kind: str, name: str) -> dict[str, Any]:
    """A page of the research platform itself, such as `<platform>/tasks/<id>`."""
    return {"title": title, "url": f"${{platform_url}}/{kind}/${{{name}:percentencode}}", "targetBlank": True}


def _legend(placement: choices.LegendPlacement) -> options.VizLegendOptions:
    return (
        options.VizLegendOptions()
        .show_legend(True)
        .display_mode(choices.LegendDisplayMode.LIST)
        .placement(placement)
        .calcs([])
    )
