# ruff: noqa: FBT003, PLR0913  the SDK's builders take their booleans by position; a board has many properties
"""What every board shares: variables, links to the other boards, alerts as annotations, and its shell."""

import json
from collections.abc import Iterable, Sequence
from typing import Any

from grafana_foundation_sdk.builders import dashboard
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models import dashboard as models

from grafana.build.common import DATASOURCE, RED, Place

TAG = "ledger-exporter"
WINDOWS = ("today", "yesterday", "7d", "30d", "all")
REFRESH = "1m"
REFRESHES = ["30s", "1m", "5m", "15m", "1h"]
PLATFORM_URL = "https://platform.example.com"

Variable = dashboard.DatasourceVariable | dashboard.QueryVariable | dashboard.CustomVariable | dashboard.TextBoxVariable


def datasource() -> dashboard.DatasourceVariable:
    """Which Prometheus to ask; a board is never tied to one."""
    return dashboard.DatasourceVariable("datasource").label("Data source").type("prometheus")


def labels(name: str, title: str, metric: str, description: str, *, every: bool = True) -> dashboard.QueryVariable:
    """The values of the label `name` on `metric`, one or several to be chosen; `every` offers and begins with all.

    Several may always be chosen, because only then does Grafana escape a value for `=~`.
    """
    variable = (
        dashboard.QueryVariable(name)
        .label(title)
        .description(description)
        .datasource(DATASOURCE)
        .query({"query": f"label_values({metric}, {name})", "refId": f"variable-{name}"})
        .refresh(models.VariableRefresh.ON_TIME_RANGE_CHANGED)
        .sort(models.VariableSort.ALPHABETICAL_CASE_INSENSITIVE_ASC)
        .multi(True)
        .include_all(every)
    )
    if every:
        variable.all_value(".*").current(models.VariableOption(selected=True, text=["All"], value=["$__all"]))
    return variable


def quests(*, every: bool = True) -> dashboard.QueryVariable:
    """Quests by name."""
    text = "Filters allocation, quest spend, provider cost, efficiency and waste."
    return labels("quest", "Quest", "ledger_quest_info", text, every=every)


def layers() -> dashboard.QueryVariable:
    """Layers of the platform."""
    return labels("layer", "Layer", "ledger_impact_outcomes", "Filters efficiency and waste.")


def providers(*, every: bool = True) -> dashboard.QueryVariable:
    """Families of providers."""
    text = "Filters the providers."
    return labels("provider", "Provider", "ledger_provider_spend_usd", text, every=every)


def window(default: str) -> dashboard.CustomVariable:
    """Which days the figures are sums of."""
    return (
        dashboard.CustomVariable("window")
        .label("Window")
        .description("The UTC days that are summed up. Budgets, rankings and timelines have their own, and say so.")
        .values(",".join(WINDOWS))
        .options([models.VariableOption(selected=w == default, text=w, value=w) for w in WINDOWS])
        .current(models.VariableOption(selected=True, text=default, value=default))
    )


def platform_url() -> dashboard.TextBoxVariable:
    """The research platform, for links to its own pages."""
    option = models.VariableOption(selected=True, text=PLATFORM_URL, value=PLATFORM_URL)
    return (
        dashboard.TextBoxVariable("platform_url")
        .label("Platform URL")
        .description("Where task and quest titles lead: <url>/tasks/<id> and <url>/quests/<id>.")
        .default_value(PLATFORM_URL)
        .current(option)
        .options([option])
    )


def board(
    uid: str,
    title: str,
    description: str,
    variables: Sequence[Variable],
    sections: Iterable[tuple[str, Sequence[Place]]],
    *,
    time_from: str,
) -> dict[str, Any]:
    """A whole dashboard as JSON: sections one below the other, each with a heading unless that is empty."""
    shell = (
        dashboard.Dashboard(title)
        .uid(uid)
        .description(description)
        .tags([TAG])
        .readonly()
        .timezone("utc")
        .time(time_from, "now")
        .refresh(REFRESH)
        .timepicker(dashboard.TimePicker().refresh_intervals(REFRESHES))
        .tooltip(models.DashboardCursorSync.CROSSHAIR)
        .links([_other_boards()])
    )
    for variable in (datasource(), *variables):
        shell.with_variable(variable)
    built = shell.build()
    built.panels = list(_panels(sections))
    content: dict[str, Any] = json.loads(JSONEncoder().encode(built))
    content["annotations"] = {"list": [_alerts(variables)]}
    return content


def _panels(sections: Iterable[tuple[str, Sequence[Place]]]) -> Iterable[models.Panel | models.RowPanel]:
    """Lay the sections out. A panel keeps its id when another section grows, so that links to it live on."""
    below = 0
    for number, (heading, places) in enumerate(sections, 1):
        if heading:
            grid = models.GridPos(x=0, y=below, w=24, h=1)
            yield models.RowPanel(title=heading, id_val=100 * number, collapsed=False, grid_pos=grid, panels=[])
            below += 1
        for index, place in enumerate(places, 1):
            panel = place.panel.build()
            panel.id_val = 100 * number + index
            panel.grid_pos = models.GridPos(x=place.x, y=below + place.y, w=place.w, h=place.h)
            yield panel
        below += max(place.y + place.h for place in places)


def _other_boards() -> dashboard.DashboardLink:
    return (
        dashboard.DashboardLink("Ledger boards")
        .type(models.DashboardLinkType.DASHBOARDS)
        .tags([TAG])
        .as_dropdown(True)
        .include_vars(True)
        .keep_time(True)
    )


def _alerts(variables: Sequence[Variable]) -> dict[str, Any]:
    """Where alerts of the ledger rules that fire began, as marks in every graph: those of what is chosen, and those of no one's.

    The value of the query is that instant. The alert itself, as long as it lasts, would be a block of colour over all lines. The SDK
    has no words for Prometheus annotations.
    """
    names = {variable.build().name for variable in variables} & {"quest", "layer", "provider"}
    chosen = [f'{name}=~"${name}|"' for name in sorted(names)]
    ours = ", ".join(['view!=""', 'ledger!=""', 'severity=~"warning|critical"', *chosen])
    began = f"1000 * ALERTS_FOR_STATE{{{ours}}}"
    return {
        "name": "Alerts",
        "datasource": {"type": "prometheus", "uid": "${datasource}"},
        "enable": True,
        "hide": False,
        "iconColor": RED,
        "expr": f'{began} and ignoring (alertstate) ALERTS{{alertstate="firing", {ours}}}',
        "step": "1m",
        "titleFormat": "{{alertname}}",
        "textFormat": "{{severity}} {{quest}} {{provider}}",
        "tagKeys": "severity,view",
        "useValueForTime": True,
    }
