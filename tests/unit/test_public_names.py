"""The public interface: these metrics, with these labels, and no others."""

from __future__ import annotations

import re
from collections import Counter

from exporter import views
from exporter.views.metric import Metric
from tests.support.complaints import each

PUBLIC = {
    # allocation
    "ledger_quest_budget_usd": "quest",
    "ledger_quest_allocated_usd": "quest window",
    "ledger_quest_info": "quest quest_id",
    "ledger_budget_day_timestamp_seconds": "",
    # utilization
    "ledger_quest_spend_usd": "quest window",
    "ledger_quest_recorded_spend_usd": "quest window",
    "ledger_day_budget_usd": "day",
    "ledger_day_spend_usd": "day",
    "ledger_day_recorded_spend_usd": "day",
    # providers
    "ledger_provider_spend_usd": "provider window",
    "ledger_provider_tokens": "provider token_type window",
    "ledger_provider_tasks": "provider window",
    "ledger_provider_charges": "provider window",
    "ledger_charged_tasks": "window",
    "ledger_model_spend_usd": "provider model window",
    "ledger_model_tokens": "provider model token_type window",
    "ledger_model_first_seen_timestamp_seconds": "provider model",
    "ledger_quest_provider_spend_usd": "quest provider window",
    "ledger_spend_usd_total": "provider model quest",
    "ledger_tokens_total": "provider model quest token_type",
    "ledger_charges_total": "provider model quest",
    # efficiency
    "ledger_impact_score": "quest layer window",
    "ledger_impact_cost_usd": "quest layer window",
    "ledger_impact_outcomes": "quest layer window",
    "ledger_pending_cost_usd": "quest layer",
    "ledger_pending_outcomes": "quest layer",
    "ledger_quest_impact_per_usd": "quest window",
    "ledger_layer_impact_per_usd": "layer window",
    "ledger_best_task_impact_per_usd": "task quest layer title",
    "ledger_best_task_impact_score": "task quest layer",
    "ledger_best_task_cost_usd": "task quest layer",
    "ledger_best_task_tokens": "task quest layer",
    # waste
    "ledger_waste_usd": "quest layer reason window",
    "ledger_waste_tokens": "quest layer reason window",
    "ledger_waste_outcomes": "quest layer reason window",
    "ledger_wasted_task_tokens": "task quest layer reason title",
    "ledger_wasted_task_usd": "task quest layer reason",
    "ledger_wasted_task_impact_score": "task quest layer reason",
    "ledger_costly_task_usd": "task quest",
    "ledger_costly_task_tokens": "task quest",
    "ledger_waste_min_tokens": "",
    "ledger_waste_max_impact": "",
    # health
    "ledger_up": "ledger",
    "ledger_source_up": "ledger source",
    "ledger_snapshot_timestamp_seconds": "",
    "ledger_refresh_interval_seconds": "",
    "ledger_max_age_seconds": "",
    "ledger_refresh_duration_seconds": "ledger",
    "ledger_refresh_last_success_timestamp_seconds": "ledger",
    "ledger_refreshes_total": "ledger",
    "ledger_refresh_failures_total": "ledger",
    "ledger_first_load_progress_ratio": "ledger",
    "ledger_verified_age_seconds": "ledger",
    "ledger_row_lateness_seconds": "ledger",
    "ledger_rows_read_total": "ledger",
    "ledger_rows_rejected": "ledger reason",
    "ledger_corrections_total": "ledger",
    "ledger_newest_row_timestamp_seconds": "ledger",
    "ledger_labels_folded": "label",
    "ledger_exporter_build_info": "version python_version",
    "ledger_config_last_reload_successful": "",
    "ledger_config_last_reload_success_timestamp_seconds": "",
    # thresholds
    "ledger_threshold_quest_budget_used_ratio": "quest severity",
    "ledger_threshold_quest_fast_burn_ratio": "quest severity",
    "ledger_threshold_quest_slow_burn_ratio": "quest severity",
    "ledger_threshold_quest_forecast_ratio": "quest severity",
    "ledger_threshold_quest_underused_ratio": "quest severity",
    "ledger_threshold_quest_unbudgeted_spend_usd": "quest severity",
    "ledger_threshold_quest_waste_ratio": "quest severity",
    "ledger_threshold_quest_waste_min_usd": "quest severity",
    "ledger_threshold_quest_waste_usd": "quest severity",
    "ledger_threshold_quest_waste_growth_ratio": "quest severity",
    "ledger_threshold_quest_task_usd": "quest severity",
    "ledger_threshold_quest_efficiency_drop_ratio": "quest severity",
    "ledger_threshold_quest_efficiency_min_outcomes": "quest severity",
    "ledger_threshold_quest_recorded_gap_ratio": "quest severity",
    "ledger_threshold_quest_recorded_gap_usd": "quest severity",
    "ledger_threshold_provider_spike_ratio": "provider severity",
    "ledger_threshold_provider_spike_min_usd": "provider severity",
    "ledger_threshold_provider_price_jump_ratio": "provider severity",
    "ledger_threshold_provider_price_min_usd": "provider severity",
    "ledger_threshold_provider_new_model_seconds": "provider severity",
    "ledger_threshold_layer_waste_ratio": "layer severity",
    "ledger_threshold_layer_waste_min_usd": "layer severity",
    "ledger_threshold_platform_budget_used_ratio": "severity",
    "ledger_threshold_platform_silence_seconds": "severity",
    "ledger_threshold_platform_corrections_per_hour": "severity",
    "ledger_threshold_platform_verified_age_seconds": "severity",
}

UNITS = {
    r"_usd(_total)?$": r"US dollars?\b",
    r"_per_usd$": r"[Ii]mpact per US dollar",
    r"_seconds$": r"\bseconds\b",
    r"_tokens(_total)?$": r"\b[Tt]okens\b",
    r"_score$": r"[Ii]mpact score",
    r"_impact$": r"impact score",
    r"_info$": r"^Always 1\b",
    r"_ratio$": r"^(Share|How many times)\b",
    r"_per_hour$": r"\bin an hour\b",
    r"_(tasks|charges|outcomes|folded|rejected)(_total)?$": r"^Number of\b",
    r"_(up|successful)$": r"^1 if .*, else 0\.$",
    r"_(refreshes|failures|rows_read|corrections)_total$": r"^Number of\b",
}
"""What a name says its unit is, and the words in which its HELP says so."""

EXISTING = {metric.name: " ".join(metric.labels) for metric in views.METRICS}


def place(metric: Metric) -> str:
    """The view that declares a metric, and its name."""
    view = next(view.__name__ for view in (*views.VIEWS, views.thresholds) if metric in view.METRICS)
    return f"{view}: {metric.name}"


each_metric = each(views.METRICS, place)


@each(sorted(PUBLIC.keys() | EXISTING.keys()))
def test_exactly_the_public_metrics_exist(name: str) -> None:
    assert PUBLIC.get(name, "not public") == EXISTING.get(name, "missing")


@each(Counter(metric.name for metric in views.METRICS).items(), place=lambda counted: counted[0])
def test_no_name_is_declared_twice(counted: tuple[str, int]) -> None:
    assert counted[1] == 1


@each_metric
def test_help_says_the_unit_that_the_name_has(metric: Metric) -> None:
    wanted = [words for ending, words in UNITS.items() if re.search(ending, metric.name)]

    assert wanted, "its name has no unit that is known"
    assert [words for words in wanted if not re.search(words, metric.help)] == [], metric.help


@each_metric
def test_help_is_one_sentence_or_more(metric: Metric) -> None:
    assert re.fullmatch(r"[A-Z1].+\.", metric.help)


@each_metric
def test_help_speaks_of_the_window_where_there_is_one(metric: Metric) -> None:
    assert ("window" in metric.labels) == ("by window" in metric.help), metric.help


@each(UNITS)
def test_every_unit_is_the_unit_of_a_metric(ending: str) -> None:
    assert [name for name in EXISTING if re.search(ending, name)]
