"""Every query keeps the habits, parses, and names only metrics and labels that exist."""

import json
import re
import subprocess

import pytest

from exporter.thresholds import CATALOGUE
from exporter.views import METRICS
from grafana.build import summary
from tests.support.boards import HEALTH, SELECTOR, panels, queries, selectors, variables
from tests.support.complaints import each
from tests.support.tools import tool

LABELS = {metric.name: set(metric.labels) for metric in METRICS}
ATTACHED = {"instance", "job"}
LEVELS = {threshold.metric: threshold.defaults for threshold in CATALOGUE}
GROUPED = re.compile(r"\b(?:sum|max|min) by \(([^)]*)\) \([^a-z]*(?:[a-z_ ]+\([^)]*\) \(|\w+\()*(ledger_\w+)")

every = queries()
selected = [selector for query in every for selector in selectors(query)]

each_query = each(every)
each_selector = each(selected)


def group_labels(expr: str) -> set[str]:
    """The labels an expression is summed by, or gives itself."""
    summed = {label for group in re.findall(r"\bby \(([^)]*)\)", expr) for label in group.split(", ")}
    return summed | set(re.findall(r', "(\w+)", "[^"]*", "\w*", "[^"]*"\)', expr))


def organized(panel):
    """The transformations of a panel that put its columns in order."""
    return [step for step in panel.body.get("transformations", []) if step.get("id") == "organize"]


@pytest.mark.tools
def test_queries_parse(tmp_path):
    rules = [{"record": f"query:{number}", "expr": query.promql} for number, query in enumerate(every)]
    file = tmp_path / "queries.json"
    file.write_text(json.dumps({"groups": [{"name": "queries", "rules": rules}]}))
    checked = subprocess.run([tool("promtool"), "check", "rules", file], capture_output=True, text=True, check=False)
    refused = [f"{every[int(found[1])]}: {found[2]}" for found in re.finditer(r'"query:(\d+)": (.*)', checked.stderr)]
    assert not refused, "\n".join(refused)
    assert checked.stderr == ""
    assert checked.returncode == 0
    assert f"{len(every)} rules found" in checked.stdout


@each_selector
def test_metrics_exist(selector):
    assert selector.metric in LABELS


@each_selector
def test_matchers_name_labels_the_metric_has(selector):
    assert selector.matchers.keys() <= LABELS[selector.metric] | ATTACHED


@each([query for query in every if GROUPED.search(query.expr)])
def test_sums_are_by_labels_the_metric_has(query):
    for labels, metric in GROUPED.findall(query.expr):
        assert set(labels.split(", ")) <= LABELS[metric] | ATTACHED, metric


@each_query
def test_legend_names_labels_that_are_left(query):
    wanted = set(re.findall(r"\{\{(\w+)\}\}", query.target.get("legendFormat", "")))
    published = {label for selector in selectors(query) for label in LABELS[selector.metric]}
    assert wanted <= (group_labels(query.expr) or published | ATTACHED)


@each([one for one in selected if one.query.board != HEALTH and "window" in LABELS.get(one.metric, ())])
def test_window_is_fixed_in_every_selector(selector):
    assert selector.matchers["window"][0] == "="


@each([query for query in every if query.board != HEALTH])
def test_two_exporters_count_once(query):
    once = re.compile(r"max without \(instance, pod\) \((?:rate\(|increase\(|max_over_time\()?(ledger_\w+)")
    assert [found[0] for found in SELECTOR.findall(query.expr)] == once.findall(query.expr)


@each([query for query in every if "topk" in query.expr])
def test_largest_are_picked_at_one_instant(query):
    ranked = re.findall(r"topk\(\d+, (.*)", query.expr)
    assert ranked
    assert query.target["instant"] or all("@ end()" in one for one in ranked)


@each([variable for variable in variables() if variable.body.get("type") == "query"])
def test_variable_offers_labels_the_metric_has(variable):
    metric, label = re.fullmatch(r"label_values\((\w+), (\w+)\)", variable.body["query"]["query"]).groups()
    assert label in LABELS[metric] | ATTACHED
    assert variable.body["name"] == label


@each([panel for panel in panels() if organized(panel)])
def test_columns_show_what_the_queries_return(panel):
    values = {f"Value #{target['refId']}" for target in panel.body["targets"]} | {"Value"}
    labels = {label for target in panel.body["targets"] for label in group_labels(target["expr"])}
    for step in organized(panel):
        assert step["options"]["indexByName"].keys() <= values | labels


@each([one for one in selected if "severity" in LABELS.get(one.metric, ())])
def test_severity_is_fixed_in_every_threshold(selector):
    assert selector.matchers["severity"][0] == "="


@each([selector for selector in selected if selector.metric in LEVELS])
def test_severity_is_one_the_threshold_has(selector):
    assert selector.matchers["severity"][1] in LEVELS[selector.metric]


def test_thresholds_that_panels_can_draw_are_drawn():
    """The others compare with what no panel shows over time, or are floors below which an alert is silent."""
    drawn = {selector.metric for selector in selected}
    assert {threshold.metric for threshold in CATALOGUE} & drawn == {
        "ledger_threshold_layer_waste_ratio",
        "ledger_threshold_platform_corrections_per_hour",
        "ledger_threshold_provider_spike_min_usd",
        "ledger_threshold_provider_spike_ratio",
        "ledger_threshold_quest_budget_used_ratio",
        "ledger_threshold_quest_efficiency_drop_ratio",
        "ledger_threshold_quest_efficiency_min_outcomes",
        "ledger_threshold_quest_fast_burn_ratio",
        "ledger_threshold_quest_task_usd",
        "ledger_threshold_quest_waste_ratio",
    }


def test_colours_of_shares_begin_where_the_alerts_do_by_default():
    defaults = {(threshold.scope, threshold.name): threshold.defaults for threshold in CATALOGUE}
    used, wasted = defaults["quest", "budget_used_ratio"], defaults["quest", "waste_ratio"]
    assert [value for value, _ in summary.BUDGET_USED[2:]] == [float(used["warning"]), float(used["critical"])]
    assert summary.WASTE_SHARE[2][0] == float(wasted["warning"])


def test_all_views_of_the_exporter_are_drawn():
    drawn = {selector.metric for selector in selected}
    not_drawn = {metric.name for metric in METRICS if not metric.name.startswith("ledger_threshold_")} - drawn
    assert not_drawn == {
        # totals the boards take from finer series, and what is for queries of one's own
        "ledger_charged_tasks",
        "ledger_charges_total",
        "ledger_day_recorded_spend_usd",
        "ledger_layer_impact_per_usd",
        "ledger_max_age_seconds",
        "ledger_provider_charges",
        "ledger_refresh_interval_seconds",
        "ledger_row_lateness_seconds",
        "ledger_waste_max_impact",
        "ledger_waste_min_tokens",
        "ledger_waste_outcomes",
    }
