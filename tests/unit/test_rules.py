"""Every alert is documented, tested in every way, leads somewhere, and asks as one ought to ask."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from typing import Any

import yaml

from exporter.thresholds import CATALOGUE
from exporter.views import METRICS
from tests.support import rules
from tests.support.complaints import each
from tests.support.rules import PROMETHEUS, ROOT, Rule

LABELS = {metric.name: set(metric.labels) for metric in METRICS}
THRESHOLDS = {threshold.metric: threshold for threshold in CATALOGUE}
BOARDS = {json.loads(file.read_text())["uid"] for file in (ROOT / "grafana" / "dashboards").glob("*.json")}
VIEWS = {"allocation", "utilization", "providers", "efficiency", "waste", "health"}
MONEY = VIEWS - {"health"}
ASKS_THE_CLOCK = {"LedgerSnapshotOld"}
"""Alerts that may use `time()`: whether the exporter's own clock has stopped."""


@dataclass(frozen=True)
class Selector:
    """A metric of the exporter that a rule selects, with its matchers: label to operator and value."""

    rule: Rule
    metric: str
    matchers: dict[str, tuple[str, str]]

    def __str__(self) -> str:
        """Where it stands."""
        return f"{self.rule}: {self.metric} {self.matchers}"


def selectors(rule: Rule, promql: str) -> Iterator[Selector]:
    """Every selector in PromQL of a rule."""
    for metric, matchers in re.findall(r"(?<![\w:])(ledger_\w+)(?:\{([^}]*)\})?", promql):
        found = re.findall(r'(\w+)(=~|!~|!=|=)"([^"]*)"', matchers)
        yield Selector(rule, metric, {label: (operator, value) for label, operator, value in found})


def asked(rule: Rule) -> list[str]:
    """All PromQL of a rule: its expression and what its annotations look up."""
    return [rule.expr, *rule.queries]


@cache
def sections(view: str) -> dict[str, str]:
    """The sections of a view's runbook, by the fragment that leads to each."""
    text = (ROOT / "docs" / "runbooks" / f"{view}.md").read_text()
    return {
        title.lower(): body
        for title, body in re.findall(r"^## (\w+)\n(.*?)(?=^## |\Z)", text, re.MULTILINE | re.DOTALL)
    }


each_alert = each(rules.alerts())
each_rule = each(rules.rules())
each_record = each([rule for rule in rules.rules() if rule.record])
each_selector = each([found for rule in rules.rules() for promql in asked(rule) for found in selectors(rule, promql)])


# --- what an alert says ------------------------------------------------------------------------------------------------


@each_alert
def test_an_alert_says_how_bad_it_is_and_what_it_is_about(rule: Rule) -> None:
    assert rule.labels["severity"] in {"critical", "warning", "info"}
    assert rule.labels["view"] == rule.view
    assert "ledger" in rule.labels or re.search(r"by \(ledger\b", rule.expr)
    for label in ("quest", "provider"):
        names = f"Ledger{label.title()}" in rule.alert
        assert not names or re.search(rf"(by|on) \([^)]*\b{label}\b", rule.expr)


@each_alert
def test_an_alert_explains_itself_with_figures(rule: Rule) -> None:
    said = rule.annotations

    assert said.keys() == {"summary", "description", "runbook_url", "dashboard_url"}
    assert "\n" not in said["summary"]
    assert rule.alert == "LedgerExporterAbsent" or "$value" in said["description"] + said["summary"] or rule.queries


@each_alert
def test_an_alert_leads_to_its_section_of_the_runbook(rule: Rule) -> None:
    page, _, fragment = rule.annotations["runbook_url"].partition("#")

    assert page.endswith(f"/docs/runbooks/{rule.view}.md"), page
    assert fragment == rule.alert.lower()
    assert fragment in sections(rule.view)


@each_alert
def test_the_section_says_all_that_is_needed(rule: Rule) -> None:
    """What it means, what ignoring it costs, how to look in PromQL and SQL, what to do, how to tune, what missing data does."""
    body = sections(rule.view)[rule.alert.lower()]

    for heading in ("What it means", "If ignored", "Look", "Do", "Tune", "Missing data"):
        assert f"**{heading}.**" in body, heading
    assert "```promql\n" in body
    assert "```sql\n" in body or rule.view == "health"
    for metric in set(re.findall(r"ledger_threshold_\w+", rule.expr)):
        assert f"`{THRESHOLDS[metric].scope}.{THRESHOLDS[metric].name}`" in body, metric


@each(sorted(VIEWS))
def test_no_section_is_about_an_alert_that_does_not_exist(view: str) -> None:
    assert set(sections(view)) == {rule.alert.lower() for rule in rules.alerts() if rule.view == view}


@each_alert
def test_an_alert_opens_the_drill_down(rule: Rule) -> None:
    found = re.fullmatch(r"http://localhost:3000/d/([\w-]+)(?:\?(.*))?", rule.annotations["dashboard_url"])
    assert found is not None
    uid, parameters = found.groups()

    assert uid in BOARDS
    for label in ("quest", "provider"):
        if uid == f"ledger-{label}":
            assert parameters == f"var-{label}={{{{ $labels.{label} | urlquery }}}}"


# --- what an alert asks ------------------------------------------------------------------------------------------------


@each_selector
def test_every_metric_and_label_exists(selector: Selector) -> None:
    assert selector.metric in LABELS
    assert selector.matchers.keys() <= LABELS[selector.metric] | {"instance", "pod"}


@each_selector
def test_every_selector_fixes_its_window(selector: Selector) -> None:
    """Two windows added are money counted twice."""
    if "window" in LABELS[selector.metric]:
        assert selector.matchers.get("window", ("", ""))[0] == "="


@each([found for rule in rules.rules() for found in selectors(rule, rule.expr) if found.metric in THRESHOLDS])
def test_every_threshold_fixes_a_severity_it_has(selector: Selector) -> None:
    operator, severity = selector.matchers["severity"]

    assert operator == "="
    assert severity in THRESHOLDS[selector.metric].defaults


def test_every_threshold_is_used() -> None:
    used = {found.metric for rule in rules.alerts() for found in selectors(rule, rule.expr)}

    assert used >= THRESHOLDS.keys()


@each_rule
def test_two_exporters_never_count_twice(rule: Rule) -> None:
    for promql in asked(rule):
        for summed in re.findall(r"\bsum\b(?:\s*by\s*\([^)]*\))?\s*\(\s*(.{0,32})", promql):
            assert summed.startswith("max without (instance, pod) ("), promql
        for selector in re.finditer(r"(?<![\w:])ledger_\w+", promql):
            before = promql[: selector.start()]
            assert re.search(
                r"(max|min|absent)( by \([^)]*\)| without \(instance, pod\))? ?\((rate\(|increase\()?$", before
            ), f"{selector[0]} of each exporter stands alone in {promql}"


@each_rule
def test_rates_are_taken_of_counters_alone(rule: Rule) -> None:
    for promql in asked(rule):
        for inner in re.findall(r"\b(?:rate|increase|irate)\((\w+)", promql):
            assert inner.endswith("_total"), f"a rate of {inner}"
        assert not re.search(r"\b(delta|deriv|predict_linear)\(", promql)


@each_rule
def test_the_exporters_clock_decides(rule: Rule) -> None:
    for promql in asked(rule):
        assert "time()" not in promql or rule.alert in ASKS_THE_CLOCK


@each_rule
def test_rankings_are_for_annotations(rule: Rule) -> None:
    assert not re.search(r"\b(topk|bottomk)\b", rule.expr)


@each_rule
def test_a_rule_reads_records_of_its_own_file_only(rule: Rule) -> None:
    """Files are evaluated side by side: another's record may be an evaluation old."""
    own = {other.record for other in rules.rules() if other.view == rule.view}
    for promql in asked(rule):
        assert set(re.findall(r"\b(?:quest|provider|model|layer|platform):[\w:]+", promql)) <= own


@each_record
def test_a_record_is_called_level_metric_operation(rule: Rule) -> None:
    assert re.fullmatch(r"(quest|provider|model|layer|platform):ledger_[a-z0-9_]+:[a-z0-9_]+", rule.record)


def test_every_record_has_one_rule() -> None:
    records = Counter(rule.record for rule in rules.rules() if rule.record)

    assert records
    assert [record for record, times in records.items() if times > 1] == []


# --- what an alert does when data is missing ---------------------------------------------------------------------------


@each_alert
def test_an_alert_outlasts_a_gap(rule: Rule) -> None:
    """Series may be withdrawn and rates decay; neither is an all-clear."""
    assert rules.seconds(rule.body.get("keep_firing_for", "0s")) >= (60 if rule.view == "health" else 900)


BUDGET_IS_ABSENT = re.compile(
    r"unless[^a-z]*(on \(\w*\) )?(\w+ by \([^)]*\) )?[^)]*(ledger_quest_budget_usd|ledger_budget_day_timestamp_seconds)"
)


@each([rule for rule in rules.alerts() if BUDGET_IS_ABSENT.search(rule.expr)])
def test_what_is_judged_by_absence_needs_its_ledger(rule: Rule) -> None:
    assert 'ledger_up{ledger="budget"}' in rule.expr
    assert 'ledger_first_load_progress_ratio{ledger="budget"}' in rule.expr


@each(
    [
        rule
        for rule in rules.rules()
        if (rule.alert or rule.record == "quest:ledger_budget_usd:today") and "ledger_quest_budget_usd" in rule.expr
    ]
)
def test_budgets_are_compared_only_once_loaded(rule: Rule) -> None:
    """A part of the budgets, or budgets of quests whose names are not known yet, would be too little."""
    assert 'unless on () (min(ledger_first_load_progress_ratio{ledger="budget"}) < 1)' in rule.expr


# --- what its tests show -----------------------------------------------------------------------------------------------


def cases_of(alert: str, about: str) -> list[rules.Case]:
    found = [case for case in rules.cases() if case.name.startswith(f"{alert}: {about}")]
    assert found, f"no promtool test `{alert}: {about}...`"
    return found


@each_alert
def test_it_is_shown_to_fire_not_a_step_earlier_and_to_resolve(rule: Rule) -> None:
    (case,) = cases_of(rule.alert, "fires, silent a step earlier, resolves")
    checks = case.of(rule.alert)
    begins = [later for (before, fired), (later, fires) in pairwise(checks)
              if not fired and fires and later - before == case.interval_seconds]  # fmt: skip

    assert begins, f"never fires a step after it was silent: {checks}"
    assert any(not fires for at, fires in checks if at > begins[0]), f"never resolves: {checks}"


@each_alert
def test_it_is_shown_with_data_absent(rule: Rule) -> None:
    for case in cases_of(rule.alert, "data absent"):
        assert case.of(rule.alert), f"{case.name}: the alert is not checked"


@each([rule for rule in rules.alerts() if "ledger_threshold_" in rule.expr])
def test_it_is_shown_that_an_override_counts(rule: Rule) -> None:
    for case in cases_of(rule.alert, "override counts"):
        assert case.of(rule.alert), f"{case.name}: the alert is not checked"


@each_alert
def test_it_is_shown_silent_on_a_healthy_platform(rule: Rule) -> None:
    healthy = [case for case in rules.cases() if case.name.startswith("healthy platform") and case.view == rule.view]

    checks = [fires for case in healthy for _, fires in case.of(rule.alert)]
    assert checks, "it is not checked"
    assert not any(checks), "it fires"


@each_record
def test_every_record_is_reckoned_by_hand(rule: Rule) -> None:
    expressions = [
        expression
        for case in rules.cases()
        if case.name.startswith("records") and case.view == rule.view
        for expression in case.expressions
    ]

    assert any(re.search(rf"(?<![\w:]){rule.record}(?![\w:])", one) for one in expressions), "in no test of records"


def test_every_view_has_rules_tests_and_a_runbook() -> None:
    assert {file.stem for file in rules.RULE_FILES} == VIEWS
    assert {case.view for case in rules.cases()} == VIEWS


@each(rules.cases())
def test_every_case_is_about_an_alert_that_exists(case: rules.Case) -> None:
    names = {rule.alert for rule in rules.alerts()}

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
