"""For programs: everything as JSON, and as CSV the very samples."""

from __future__ import annotations

import csv
import io
import json

import pytest

from exporter.publishing.samples import Samples, of_exposition
from exporter.report import figures, machine

TOLD = Samples(
    [
        ("ledger_quest_spend_usd", {"quest": 'A, "b"', "window": "7d"}, 0.1),
        ("ledger_quest_spend_usd", {"quest": "c", "window": "30d"}, 3.0),
        ("ledger_quest_budget_usd", {"quest": "c"}, 1e21),
        ("ledger_provider_charges", {"provider": "GLM", "window": "7d"}, 7.0),
        ("ledger_spend_usd_total", {"provider": "GLM", "model": "m", "quest": "c"}, 8.0),
        ("ledger_up", {"ledger": "cost"}, 1.0),
        ("ledger_threshold_quest_waste_ratio", {"quest": "c", "severity": "warning"}, 0.25),
    ]
)


def rows(*, of_some_quests: bool) -> list[dict[str, str]]:
    table = machine.as_csv(TOLD, "7d", of_some_quests=of_some_quests)
    return [{name: text for name, text in row.items() if text} for row in csv.DictReader(io.StringIO(table))]


def test_csv_has_the_views_samples_of_the_window() -> None:
    """And of what has no window; not the counters, nor health, nor thresholds."""
    assert rows(of_some_quests=False) == [
        {"view": "allocation", "metric": "ledger_quest_budget_usd", "quest": "c", "value": "1e+21"},
        {
            "view": "utilization", "metric": "ledger_quest_spend_usd", "quest": 'A, "b"', "window": "7d", "value": "0.1",
        },
        {
            "view": "providers", "metric": "ledger_provider_charges", "provider": "GLM", "window": "7d", "value": "7.0",
        },
    ]  # fmt: skip


def test_csv_of_some_quests_has_what_is_theirs() -> None:
    assert [row["view"] for row in rows(of_some_quests=True)] == ["allocation", "utilization"]


def test_json_has_every_view() -> None:
    found = json.loads(machine.as_json(figures.report(TOLD, "7d", of_some_quests=False)))

    assert found["window"] == "7d"
    assert found["utilization"]["quests"][0] == {
        "quest": 'A, "b"', "spend_usd": 0.1, "budget_usd": None, "used_ratio": None,
    }  # fmt: skip
    assert list(found) == [
        "snapshot", "window", "problems", "allocation", "efficiency", "utilization", "providers", "waste",
    ]  # fmt: skip


def test_a_page_is_read_back() -> None:
    text = '# TYPE ledger_up gauge\nledger_up{ledger="cost"} 1.0\nprocess_open_fds 12.0\n'

    assert [(metric.name, labels, value) for metric, labels, value in Samples(of_exposition(text))] == [
        ("ledger_up", {"ledger": "cost"}, 1.0)
    ]


@pytest.mark.parametrize("name", ['=HYPERLINK("http://h")', "+1", "-1+2", "@SUM(1)", "\t=1", " =1", "\uff1d1"])
def test_no_text_is_a_formula(name: str) -> None:
    """Whoever books a task could else run something in the spreadsheet of whoever opens the table."""
    told = Samples([("ledger_costly_task_usd", {"task": name, "quest": "a=b"}, -1.5)])
    (row,) = csv.DictReader(io.StringIO(machine.as_csv(told, "7d", of_some_quests=False)))

    assert row["task"] == "'" + name
    assert (row["quest"], row["value"], row["title"]) == ("a=b", "-1.5", "")
