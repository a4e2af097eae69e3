"""Providers: what does each provider cost us?"""

from grafana_foundation_sdk.builders import piechart, table, timeseries

from grafana.build.common import (
    COUNT,
    GREY,
    PROVIDER_COLOURS,
    SHARE,
    USD,
    WHOLE,
    Place,
    Property,
    fixed,
    graph,
    instant,
    link,
    over_time,
    paint,
    pie,
    rows,
    stacked,
    to_provider,
)
from grafana.build.promql import MONTH, PROVIDER, QUEST, WINDOW, by, fold, rate, ratio, top, total
from grafana.build.tables import Column, coloured_text, listing

MODELS = 9
HOUR_SECONDS = 3600


def panels() -> list[Place]:
    """Shares and figures, then rates."""
    return [
        Place(shares(), 0, 0, 8, 9),
        Place(figures(), 8, 0, 16, 9),
        Place(rate_by_provider(), 0, 9, 12, 9),
        Place(rate_by_model(), 12, 9, 12, 9),
    ]


def shares() -> piechart.Panel:
    """Who gets the money."""
    spend = by("provider", "ledger_quest_provider_spend_usd", QUEST, PROVIDER, WINDOW)
    panel = pie(
        "Who gets the money? ($window)",
        "Cost by provider, from the cost ledger. Follows: quest, provider, window.",
        USD,
        instant("A", f"sort_desc({spend})", "{{provider}}"),
        empty="no charge known",
    ).override_by_field_type("number", [link(to_provider("__field.labels.provider"))])
    return paint(panel, PROVIDER_COLOURS)


def figures() -> table.Panel:
    """All figures of a provider in a line."""
    spend = by("provider", "ledger_provider_spend_usd", PROVIDER, WINDOW)
    tasks = by("provider", "ledger_provider_tasks", PROVIDER, WINDOW)
    tokens = by("provider", "ledger_provider_tokens", PROVIDER, WINDOW)
    share = f"{spend} / on () group_left () ({total('ledger_provider_spend_usd', WINDOW)} > 0)"
    return listing(
        "What does each provider cost? ($window, all quests)",
        "Cost, its share of all providers, distinct tasks charged, tokens in and out, cost per task and per million "
        "tokens. A task that used two providers counts for both. Follows: provider, window; distinct tasks are not "
        "known per quest, so quest does not filter it.",
        [
            rows("A", spend),
            rows("B", share),
            rows("C", tasks),
            rows("D", tokens),
            rows("E", ratio(spend, tasks)),
            rows("F", ratio(f"1e6 * {spend}", tokens)),
        ],
        [
            Column(
                "provider",
                "Provider",
                properties=(*coloured_text(PROVIDER_COLOURS), link(to_provider("__data.fields.provider"))),
            ),
            Column("Value #A", "Cost", USD, 105),
            Column("Value #B", "Share", SHARE, 80, (Property(id_val="decimals", value=1),)),
            Column("Value #C", "Tasks", WHOLE, 90),
            Column("Value #D", "Tokens", COUNT, 100),
            Column("Value #E", "$ per task", USD, 100),
            Column("Value #F", "$ per 1M tokens", USD, 130),
        ],
        key="provider",
        sort="Cost",
        empty="no charge known",
    )


def rate_by_provider() -> timeseries.Panel:
    """Dollars an hour, by provider."""
    panel = graph(
        "Cost per hour by provider",
        "How fast money is being spent, in dollars an hour, as charges come in. Follows: quest, provider, time range.",
        USD,
        [over_time("A", _per_hour("provider"), "{{provider}}")],
        empty="no charge in this time range",
    ).interval("2m")
    return paint(stacked(panel), PROVIDER_COLOURS)


def rate_by_model() -> timeseries.Panel:
    """Dollars an hour, by model."""
    ranked = by("model", "ledger_model_spend_usd", PROVIDER, MONTH, 'model!~"(?i:other)"', at_end=True)
    cost = fold("model", _per_hour("model"), top(MODELS, ranked))
    panel = graph(
        "Cost per hour by model",
        f"The same by model: the {MODELS} models that cost most in the last 30 days, and Other. "
        "Follows: quest, provider, time range.",
        USD,
        [over_time("A", cost, "{{model}}")],
        empty="no charge in this time range",
    ).interval("2m")
    return stacked(panel).override_by_name("Other", [fixed(GREY)])


def _per_hour(label: str) -> str:
    return f"{HOUR_SECONDS} * {rate(label, 'ledger_spend_usd_total', QUEST, PROVIDER)}"
