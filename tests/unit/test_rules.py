"""Every alert is documented, tested in every way, leads somewhere, and asks as one ought to ask."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import pytest
import yaml

from exporter.thresholds import CATALOGUE
from exporter.views import METRICS
from tests.support import rules
from tests.support.rules import PROMETHEUS, ROOT, Rule

ALERTS = [pytest.param(rule, id=rule.alert) for rule in rules.alerts()]
ALL = [pytest.param(rule, id=rule.alert or rule.record) for rule in rules.rules()]

LABELS = {metric.name: set(metric.labels) for metric in METRICS}
THRESHOLDS = {threshold.metric: threshold for threshold in CATALOGUE}
BOARDS = {json.loads(file.read_text())["uid"] for file in (ROOT / "grafana" / "dashboards").glob("*.json")}
VIEWS = {"allocation", "utilization", "providers", "efficiency", "waste", "health"}
MONEY = VIEWS - {"health"}
ASKS_THE_CLOCK = {"LedgerSnapshotOld"}
"""Alerts that may use `time()`: whether the exporter's own clock has stopped."""


def selectors(promql: str) -> Iterator[tuple[str, str]]:
    """Every selected metric of the exporter with its matchers."""
    yield from re.findall(r"(?<![\w:])(ledger_\w+)(?:\{([^}]*)\})?", promql)


def matched(matchers: str) -> dict[str, tuple[str, str]]:
    """Label to operator and value."""
    return {label: (operator, value) for label, operator, value in re.findall(r'(\w+)(=~|!~|!=|=)"([^"]*)"', matchers)}


def asked(rule: Rule) -> list[str]:
    """All PromQL of a rule: its expression and what its annotations look up."""
    return [rule.expr, *rule.queries]


def sections(view: str) -> dict[str, str]:
    """The sections of a view's runbook, by the fragment that leads to each."""
    text = (ROOT / "docs" / "runbooks" / f"{view}.md").read_text()
    return {
        title.lower(): body
        for title, body in re.findall(r"^## (\w+)\n(.*?)(?=^## |\Z)", text, re.MULTILINE | re.DOTALL)
    }


# --- what an alert says ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("rule", ALERTS)
def test_an_alert_says_how_bad_it_is_and_what_it_is_about(rule: Rule) -> None:
    assert rule.labels["severity"] in {"critical", "warning", "info"}
    assert rule.labels["view"] == rule.view
    assert "ledger" in rule.labels or re.search(r"by \(ledger\b", rule.expr)
    for label in ("quest", "provider"):
        names = f"Ledger{label.title()}" in rule.alert
        assert not names or re.search(rf"(by|on) \([^)]*\b{label}\b", rule.expr)


@pytest.mark.parametrize("rule", ALERTS)
def test_an_alert_explains_itself_with_figures(rule: Rule) -> None:
    said = rule.annotations

    assert said.keys() == {"summary", "description", "runbook_url", "dashboard_url"}
    assert "\n" not in said["summary"]
    assert rule.alert == "LedgerExporterAbsent" or "$value" in said["description"] + said["summary"] or rule.queries


@pytest.mark.parametrize("rule", ALERTS)
def test_an_alert_leads_to_its_section_of_the_runbook(rule: Rule) -> None:
    page, _, fragment = rule.annotations["runbook_url"].partition("#")

    assert page.endswith(f"/docs/runbooks/{rule.view}.md")
    assert fragment == rule.alert.lower()
    assert fragment in sections(rule.view)


@pytest.mark.parametrize("rule", ALERTS)
def test_the_section_says_all_that_is_needed(rule: Rule) -> None:
    """What it means, what ignoring it costs, how to look in PromQL and SQL, what to do, how to tune, what missing data does."""
    body = sections(rule.view)[rule.alert.lower()]

    for heading in ("What it means", "If ignored", "Look", "Do", "Tune", "Missing data"):
        assert f"**{heading}.**" in body, heading
    assert "```promql\n" in body
    assert "```sql\n" in body or rule.view == "health"
    for metric in set(re.findall(r"ledger_threshold_\w+", rule.expr)):
        assert f"`{THRESHOLDS[metric].scope}.{THRESHOLDS[metric].name}`" in body, metric


def test_no_section_is_about_an_alert_that_does_not_exist() -> None:
    for view in VIEWS:
        assert set(sections(view)) == {rule.alert.lower() for rule in rules.alerts() if rule.view == view}


@pytest.mark.parametrize("rule", ALERTS)
def test_an_alert_opens_the_drill_down(rule: Rule) -> None:
    found = re.fullmatch(r"http://localhost:3000/d/([\w-]+)(?:\?(.*))?", rule.annotations["dashboard_url"])
    assert found is not None
    uid, parameters = found.groups()

    assert uid in BOARDS
    for label in ("quest", "provider"):
        if uid == f"ledger-{label}":
            assert parameters == f"var-{label}={{{{ $labels.{label} | urlquery }}}}"


# --- what an alert asks ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("rule", ALL)
def test_every_metric_and_label_exists(rule: Rule) -> None:
    for promql in asked(rule):
        for metric, matchers in selectors(promql):
            assert metric in LABELS
            assert matched(matchers).keys() <= LABELS[metric] | {"instance", "pod"}


@pytest.mark.parametrize("rule", ALL)
def test_every_selector_fixes_its_window(rule: Rule) -> None:
    """Two windows added are money counted twice."""
    for promql in asked(rule):
        for metric, matchers in selectors(promql):
            if "window" in LABELS[metric]:
                assert matched(matchers).get("window", ("", ""))[0] == "=", f"{metric}{{{matchers}}}"


@pytest.mark.parametrize("rule", ALL)
def test_every_threshold_fixes_a_severity_it_has(rule: Rule) -> None:
    for metric, matchers in selectors(rule.expr):
        if metric in THRESHOLDS:
            operator, severity = matched(matchers)["severity"]
            assert operator == "="
            assert severity in THRESHOLDS[metric].defaults


def test_every_threshold_is_used() -> None:
    used = {metric for rule in rules.alerts() for metric, _ in selectors(rule.expr)}

    assert used >= THRESHOLDS.keys()


@pytest.mark.parametrize("rule", ALL)
def test_two_exporters_never_count_twice(rule: Rule) -> None:
    for promql in asked(rule):
        for summed in re.findall(r"\bsum\b(?:\s*by\s*\([^)]*\))?\s*\(\s*(.{0,32})", promql):
            assert summed.startswith("max without (instance, pod) ("), promql
        for selector in re.finditer(r"(?<![\w:])ledger_\w+", promql):
            before = promql[: selector.start()]
            assert re.search(
                r"(max|min|absent)( by \([^)]*\)| without \(instance, pod\))? ?\((rate\(|increase\()?$", before
            ), f"{selector[0]} of each exporter stands alone in {promql}"


@pytest.mark.parametrize("rule", ALL)
def test_rates_are_taken_of_counters_alone(rule: Rule) -> None:
    for promql in asked(rule):
        for inner in re.findall(r"\b(?:rate|increase|irate)\((\w+)", promql):
            assert inner.endswith("_total")
        assert not re.search(r"\b(delta|deriv|predict_linear)\(", promql)


@pytest.mark.parametrize("rule", ALL)
def test_the_exporters_clock_decides(rule: Rule) -> None:
    for promql in asked(rule):
        assert "time()" not in promql or rule.alert in ASKS_THE_CLOCK


@pytest.mark.parametrize("rule", ALL)
def test_rankings_are_for_annotations(rule: Rule) -> None:
    assert not re.search(r"\b(topk|bottomk)\b", rule.expr)


@pytest.mark.parametrize("rule", ALL)
def test_a_rule_reads_records_of_its_own_file_only(rule: Rule) -> None:
    """Files are evaluated side by side: another's record may be an evaluation old."""
    own = {other.record for other in rules.rules() if other.view == rule.view}
    for promql in asked(rule):
        assert set(re.findall(r"\b(?:quest|provider|model|layer|platform):[\w:]+", promql)) <= own


@pytest.mark.parametrize("rule", [rule for rule in ALL if rule.values[0].record])
def test_a_record_is_called_level_metric_operation(rule: Rule) -> None:
    assert re.fullmatch(r"(quest|provider|model|layer|platform):ledger_[a-z0-9_]+:[a-z0-9_]+", rule.record)


def test_every_record_has_one_rule() -> None:
    records = [rule.record for rule in rules.rules() if rule.record]

    assert len(records) == len(set(records))


# --- what an alert does when data is missing ---------------------------------------------------------------------------


@pytest.mark.parametrize("rule", ALERTS)
def test_an_alert_outlasts_a_gap(rule: Rule) -> None:
    """Series may be withdrawn and rates decay; neither is an all-clear."""
    assert rules.seconds(rule.body.get("keep_firing_for", "0s")) >= (60 if rule.view == "health" else 900)


@pytest.mark.parametrize("rule", ALERTS)
def test_what_is_judged_by_absence_needs_its_ledger(rule: Rule) -> None:
    for ledger, metric in (("budget", "ledger_quest_budget_usd"), ("budget", "ledger_budget_day_timestamp_seconds")):
        if re.search(rf"unless[^a-z]*(on \(\w*\) )?[^)]*{metric}", rule.expr):
            assert f'ledger_up{{ledger="{ledger}"}}' in rule.expr
            assert f'ledger_first_load_progress_ratio{{ledger="{ledger}"}}' in rule.expr


@pytest.mark.parametrize("rule", ALL)
def test_budgets_are_compared_only_once_loaded(rule: Rule) -> None:
    """A part of the budgets, or budgets of quests whose names are not known yet, would be too little."""
    compares = rule.alert or rule.record == "quest:ledger_budget_usd:today"
    if compares and "ledger_quest_budget_usd" in rule.expr:
        assert 'unless on () (min(ledger_first_load_progress_ratio{ledger="budget"}) < 1)' in rule.expr


# --- what its tests show -----------------------------------------------------------------------------------------------


def cases_of(alert: str, about: str) -> list[rules.Case]:
    found = [case for case in rules.cases() if case.name.startswith(f"{alert}: {about}")]
    assert found, f"no promtool test `{alert}: {about}...`"
    return found


@pytest.mark.parametrize("rule", ALERTS)
def test_it_is_shown_to_fire_not_a_step_earlier_and_to_resolve(rule: Rule) -> None:
    (case,) = cases_of(rule.alert, "fires, silent a step earlier, resolves")
    checks = case.of(rule.alert)
    begins = [later for (before, fired), (later, fires) in pairwise(checks)
              if not fired and fires and later - before == case.interval_seconds]  # fmt: skip

    assert begins
    assert any(not fires for at, fires in checks if at > begins[0])


@pytest.mark.parametrize("rule", ALERTS)
def test_it_is_shown_with_data_absent(rule: Rule) -> None:
    for case in cases_of(rule.alert, "data absent"):
        assert case.of(rule.alert)


@pytest.mark.parametrize("rule", [rule for rule in ALERTS if "ledger_threshold_" in rule.values[0].expr])
def test_it_is_shown_that_an_override_counts(rule: Rule) -> None:
    for case in cases_of(rule.alert, "override counts"):
        assert case.of(rule.alert)


@pytest.mark.parametrize("rule", ALERTS)
def test_it_is_shown_silent_on_a_healthy_platform(rule: Rule) -> None:
    healthy = [case for case in rules.cases() if case.name.startswith("healthy platform") and case.view == rule.view]

    checks = [fires for case in healthy for _, fires in case.of(rule.alert)]
    assert checks
    assert not any(checks)


@pytest.mark.parametrize("rule", [rule for rule in ALL if rule.values[0].record])
def test_every_record_is_reckoned_by_hand(rule: Rule) -> None:
    expressions = [
        expression
        for case in rules.cases()
        if case.name.startswith("records") and case.view == rule.view
        for expression in case.expressions
    ]

    assert any(re.search(rf"(?<![\w:]){rule.record}(?![\w:])", expression) for expression in expressions)


def test_every_view_has_rules_tests_and_a_runbook() -> None:
    assert {file.stem for file in rules.RULE_FILES} == VIEWS
    assert {case.view for case in rules.cases()} == VIEWS


def test_every_case_is_about_an_alert_that_exists() -> None:
    names = {rule.alert for rule in rules.alerts()}

    for case in rules.cases():
        assert case.name.partition(":")[0] in names | {"healthy platform", "records"}
        assert {alert for _, alert, _ in case.checks} <= names


# --- where it is sent --------------------------------------------------------------------------------------------------


def alertmanager(name: str = "alertmanager.yml") -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((PROMETHEUS / name).read_text())
    return found


def test_the_example_differs_in_receivers_alone() -> None:
    example = alertmanager("alertmanager.example.yml")

    assert {**example, "receivers": None, "global": None} == {**alertmanager(), "receivers": None, "global": None}
    assert [one["name"] for one in example["receivers"]] == [one["name"] for one in alertmanager()["receivers"]]
    assert {kind for one in example["receivers"] for kind in one} == {
        "name", "webhook_configs", "email_configs", "slack_configs",
    }  # fmt: skip


def test_every_severity_has_its_route() -> None:
    routed = [route["matchers"] for route in alertmanager()["route"]["routes"]]

    assert routed == [['severity="critical"'], ['severity="warning"'], ['severity="info"']]
    assert "quest" in alertmanager()["route"]["group_by"]


def test_inhibition_is_about_alerts_that_exist() -> None:
    names = {rule.alert for rule in rules.alerts()}
    matchers = " ".join(
        matcher
        for rule in alertmanager()["inhibit_rules"]
        for matcher in (*rule["source_matchers"], *rule["target_matchers"])
    )

    assert set(re.findall(r"\bLedger[A-Z]\w+", matchers)) <= names
    assert set(re.findall(r"view=~\"([\w|]+)\"", matchers)) <= {
        "allocation|utilization|providers|efficiency|waste",
        "allocation|utilization",
    }


def test_a_ledger_that_is_down_silences_its_money() -> None:
    (inhibited,) = [
        rule
        for rule in alertmanager()["inhibit_rules"]
        if rule.get("equal") == ["ledger"] and "LedgerDown" in rule["source_matchers"][0]
    ]
    (views,) = re.findall(r'view=~"([^"]+)"', " ".join(inhibited["target_matchers"]))

    assert set(views.split("|")) == MONEY
