"""Provider: one provider, or several chosen ones, in detail; reached by a click on its name."""

from typing import Any

from grafana_foundation_sdk.builders import piechart, stat, table, timeseries

from grafana.build import controls, providers, utilization
from grafana.build.common import (
    BLUE,
    COUNT,
    GREY,
    PROVIDER_COLOURS,
    SHARE,
    SKY,
    TEXT,
    USD,
    Place,
    figure,
    fixed,
    graph,
    instant,
    link,
    over_time,
    paint,
    pie,
    rows,
    stacked,
    threshold_line,
    to_quest,
)
from grafana.build.promql import (
    DAY_SECONDS,
    MONTH,
    PROVIDER,
    QUEST,
    TODAY,
    WEEK,
    WINDOW,
    by,
    fold,
    last_hour,
    newest_snapshot,
    once,
    per_day,
    rate,
    ratio,
    top,
    total,
)
from grafana.build.tables import NAME, Column, bar_cell, listing

UID = "ledger-provider"
QUESTS = 8
MILLION = "1e6"

SPEND = total("ledger_provider_spend_usd", PROVIDER, WINDOW)
TASKS = total("ledger_provider_tasks", PROVIDER, WINDOW)
TOKENS = total("ledger_provider_tokens", PROVIDER, WINDOW)


def build() -> dict[str, Any]:
    """The whole board as JSON."""
    return controls.board(
        UID,
        "Provider",
        "What a provider costs: by model, by quest, day by day, and what a million tokens cost over time.",
        [
            controls.providers(every=False),
            controls.quests(),
            controls.window("30d"),
            controls.platform_url(),
        ],
        [
            ("", _figures()),
            ("By model and quest: $provider", [Place(models(), 0, 0, 13, 11), Place(quests(), 13, 0, 11, 11)]),
            (
                "Over time",
                [
                    Place(pace(), 0, 0, 12, 9),
                    Place(providers.rate_by_model(), 12, 0, 12, 9),
                    Place(price(), 0, 9, 12, 9),
                    Place(token_rate(), 12, 9, 12, 9),
                    Place(history(), 0, 18, 24, 9),
                ],
            ),
        ],
        time_from="now-24h",
    )


def _figures() -> list[Place]:
    whole = total("ledger_provider_spend_usd", WINDOW)
    tokens = "Follows: provider, window; all quests."
    panels: list[stat.Panel] = [
        figure(
            "Cost ($window)", f"Charges of the provider in the cost ledger. {tokens}", USD, [instant("A", SPEND)]
        ).decimals(2),
        figure(
            "Share ($window)",
            f"Its cost over the cost of all providers. {tokens}",
            SHARE,
            [instant("A", ratio(SPEND, whole))],
            empty="unknown",
        ).decimals(1),
        figure(
            "Tasks ($window)",
            f"Distinct tasks charged; of several chosen providers a task they share counts for each. {tokens}",
            COUNT,
            [instant("A", TASKS)],
        ),
        figure(
            "Tokens ($window)",
            f"Tokens in and out. {tokens}",
            COUNT,
            [instant("A", by("token_type", "ledger_provider_tokens", PROVIDER, WINDOW), "{{token_type}}")],
        ),
        figure(
            "Cost per task ($window)",
            f"Cost over distinct tasks; charges without a task count in the cost. {tokens}",
            USD,
            [instant("A", ratio(SPEND, TASKS))],
            empty="no task known",
        ).decimals(2),
        figure(
            "$ per 1M tokens ($window)",
            f"Cost over tokens in and out, per million. {tokens}",
            USD,
            [instant("A", ratio(f"{MILLION} * {SPEND}", TOKENS))],
            empty="none known",
        ).decimals(2),
    ]
    return [Place(panel, 4 * place, 0, 4, 4) for place, panel in enumerate(panels)]


def models() -> table.Panel:
    """The provider's models."""
    spend = by("model", "ledger_model_spend_usd", PROVIDER, WINDOW)
    tokens = by("model", "ledger_model_tokens", PROVIDER, WINDOW)
    seen = f"min by (model) ({once('ledger_model_first_seen_timestamp_seconds', PROVIDER)})"
    return listing(
        "Models ($window)",
        "Cost, tokens in and out, cost per million tokens, and when the ledger first had a charge of the model. "
        "Follows: provider, window; all quests.",
        [
            rows("A", spend),
            rows("B", by("model", "ledger_model_tokens", PROVIDER, 'token_type="input"', WINDOW)),
            rows("C", by("model", "ledger_model_tokens", PROVIDER, 'token_type="output"', WINDOW)),
            rows("D", ratio(f"{MILLION} * {spend}", tokens)),
            rows("E", f"1000 * {seen} and on (model) {spend}"),
        ],
        [
            Column("model", "Model", properties=NAME),
            Column("Value #A", "Cost", USD, 120, bar_cell(SKY)),
            Column("Value #B", "Tokens in", COUNT, 95),
            Column("Value #C", "Tokens out", COUNT, 95),
            Column("Value #D", "$ per 1M", USD, 90),
            Column("Value #E", "First seen", "time:YYYY-MM-DD", 110),
        ],
        key="model",
        sort="Cost",
        empty="no charge known",
        longest="A",
    )


def quests() -> piechart.Panel:
    """For whom the provider works."""
    spend = by("quest", "ledger_quest_provider_spend_usd", QUEST, PROVIDER, WINDOW)
    ranked = by("quest", "ledger_quest_provider_spend_usd", QUEST, PROVIDER, WINDOW, 'quest!~"(?i:other)"')
    return (
        pie(
            "For which quests? ($window)",
            f"Cost by quest: the {QUESTS} largest and Other, which is the sum of all the rest. "
            "Follows: provider, quest, window.",
            USD,
            instant("A", fold("quest", spend, top(QUESTS, ranked)), "{{quest}}"),
            empty="no charge known",
        )
        .override_by_field_type("number", [link(to_quest("__field.labels.quest"))])
        .override_by_name("Other", [fixed(GREY), link()])
    )


def pace() -> timeseries.Panel:
    """Whether it costs more than usual, and where the alert begins."""
    allowed = by("provider", "ledger_threshold_provider_spike_ratio", PROVIDER, 'severity="warning"')
    floor = by("provider", "ledger_threshold_provider_spike_min_usd", PROVIDER, 'severity="warning"')
    spike = f"({allowed} * on (provider) ({_ordinary_day()}) / 24)"
    panel = graph(
        "Cost of the last hour",
        "What was charged in the hour before each instant, as charges came in. Dotted: from where an alert calls it a spike, so "
        "many times an hour of its ordinary day (the mean of the six days before), and never less than a floor; none in a "
        "provider's first two days. Follows: provider, time range; all quests.",
        USD,
        [
            over_time("A", last_hour("provider", "ledger_spend_usd_total", PROVIDER), "{{provider}}"),
            over_time(
                "B",
                f"({spike} > on (provider) {floor}) or ({floor} and on (provider) {spike})",
                "Warning from: {{provider}}",
            ),
        ],
        empty="no charge in this time range",
    ).override_by_regexp("^Warning from: .*", threshold_line(TEXT))
    return paint(panel, PROVIDER_COLOURS)


def _ordinary_day() -> str:
    """Dollars of a day by provider: the mean of the six days before today, of fewer where it is younger, of two at least."""
    before = f"({by('provider', 'ledger_provider_spend_usd', PROVIDER, WEEK)} - on (provider) {by('provider', 'ledger_provider_spend_usd', PROVIDER, TODAY)})"
    seen = f"min by (provider) ({once('ledger_model_first_seen_timestamp_seconds', PROVIDER)})"
    midnight = f"({newest_snapshot()} - {newest_snapshot()} % {DAY_SECONDS})"
    days = f"clamp_max(({midnight} - on () group_right () {seen}) / {DAY_SECONDS} >= 2, 6)"
    return f"({before} > 0) / on (provider) {days}"


def price() -> timeseries.Panel:
    """What a million tokens cost, over time: a price jump is a step here, whatever the load."""
    ranked = by("model", "ledger_model_spend_usd", PROVIDER, MONTH, at_end=True)
    cost = rate("model", "ledger_spend_usd_total", PROVIDER, QUEST)
    tokens = rate("model", "ledger_tokens_total", PROVIDER, QUEST)
    return (
        graph(
            "$ per 1M tokens by model",
            "Rate of cost over rate of tokens, per million: a price jump is a step, whatever the load. "
            f"The {providers.MODELS} models that cost most in the last 30 days. "
            "Follows: provider, quest, time range.",
            USD,
            [
                over_time(
                    "A",
                    f"{MILLION} * {ratio(cost, tokens)} and on (model) {top(providers.MODELS, ranked)}",
                    "{{model}}",
                )
            ],
            empty="no charge in this time range",
        )
        .interval("5m")
        .span_nulls(3_600_000)
    )


def history() -> timeseries.Panel:
    """Cost by day, from what Prometheus has kept."""
    panel = graph(
        "Cost by day, 30 days",
        "What stood at the end of each UTC day, as Prometheus recorded it: the history begins with the first scrape (or "
        "what was backfilled). Follows: provider; all quests, always 30 days.",
        USD,
        [over_time("A", per_day("provider", "ledger_provider_spend_usd", PROVIDER), "{{provider}}")],
        empty="nothing recorded in this time range",
    )
    panel.interval("1d").time_from("30d").override_by_field_type("number", utilization.day_bars(85, 0.9))
    return paint(panel, PROVIDER_COLOURS)


def token_rate() -> timeseries.Panel:
    """Tokens an hour."""
    panel = graph(
        "Tokens per hour",
        "Tokens in and out an hour, as charges come in. Follows: provider, quest, time range.",
        COUNT,
        [
            over_time(
                "A",
                f"{providers.HOUR_SECONDS} * {rate('token_type', 'ledger_tokens_total', PROVIDER, QUEST)}",
                "{{token_type}}",
            )
        ],
        empty="no charge in this time range",
    ).interval("2m")
    return paint(stacked(panel), {"input": SKY, "output": BLUE})
