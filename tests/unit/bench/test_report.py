"""The report: targets judged, tables, figures for machines, and the plot."""

from __future__ import annotations

from typing import Any
from xml.etree import ElementTree as ET

import pytest

from bench import edits, figures, plot, report, targets
from bench.__main__ import lines, parse_rows
from bench.refreshing import Refreshes
from bench.statements import Work
from bench.targets import Target

SIDES = ("exporter", "server")
LOAD = {
    "series": 300, "bytes": 30_000, "gzip_bytes": 4_000, "p50_ms": 0.1, "p99_ms": 0.2, "gzip_p50_ms": 0.1,
    "gzip_p99_ms": 0.2, "per_second_one_core": 9000.0, "rss_mb": 60.0,
}  # fmt: skip


def _refreshes(db_ms: float) -> dict[str, Any]:
    found = Refreshes(rss_mb=100.0, first_load_seconds=3.0, first_load_db_ms=2000.0, first_today_seconds=1.0)
    found.add(Work(0, 1, db_ms, 0), db_ms + 1)
    return found.figures()


def _size(rows: int, ours_ms: float, peer_ms: float, rate: int = 25_000) -> dict[str, Any]:
    names = ("ledger-exporter", "ledger-exporter, few series", "ledger-exporter, default")
    ours = {name: _refreshes(ours_ms) for name in names}
    peers = {name: _refreshes(peer_ms) for name in ("sql-exporter", "query-exporter", "handwritten")}
    return {"rows": rows, "rate": rate, "exporters": ours | peers}


def _conditions(rows: int, quiet: int, edit_seconds: float) -> dict[str, Any]:
    refreshes = {**_refreshes(5.0), "dropped_caches": True}
    effort = {"exporter": 0.01, "server": 0.03, "refreshes": 4}
    return {
        "rows": rows,
        "rate": 25_000,
        "statements": {"quiet": quiet, "quiet_most": quiet, "booked": quiet, "refreshes": 8},
        "edits": edits.figures([1.0, edit_seconds], 900),
        "updates": {"a_second": 10, "seconds": 240, "quiet": effort, "busy": effort},
        "cold": refreshes,
        "tail": refreshes,
        "random": refreshes,
    }


@pytest.fixture
def result() -> dict[str, Any]:
    small = {
        "ledger-exporter": LOAD,
        "sql-exporter": {**LOAD, "p50_ms": 0.9, "per_second_one_core": 300.0},
        "nginx": LOAD,
    }
    small["query-exporter"] = {**LOAD, "gzip_p50_ms": None, "gzip_p99_ms": None}
    return {
        "date": "2026-04-10",
        "machine": {"cores": "2"},
        "versions": {"wrk": "4"},
        "busy_share": 0.01,
        "sittings": 1,
        "interval_seconds": 15.0,
        "answers": {"sql-exporter": []},
        "sizes": [_size(1_000_000, 4.0, 1300.0), _size(10_000_000, 5.0, 14_000.0)],
        "rates": [_size(10_000_000, 5.0, 0.0), _size(10_000_000, 15.0, 0.0, 2_500_000)],
        "conditions": [_conditions(1_000_000, 19, 40.0), _conditions(10_000_000, 21, 200.0)],
        "old_ledger": {"rows": 4070, "days": 370, **edits.figures([10.0, None], 900)},
        "lateness": [
            {"outage": outage, "rows": 180_000, "refreshes": 250, "missing": missing, "most_missing": 5}
            for outage, missing in ((False, 0), (True, 3))
        ],
        "scrapes": [{"title": figures.SMALL_TITLE, "exporters": small}],
    }


def test_targets_are_judged_by_ratios_of_the_same_run(result) -> None:
    judged = {target.title: target for target in targets.targets(result)}

    database = judged["Database time of a refresh, sql-exporter's against ours, 10M rows"]
    assert (database.value, database.met) == (2800.0, False)
    rate = judged["Database time of a refresh, 25k to 2.5M a day, largest to smallest, 10M rows"]
    assert (rate.value, rate.met) == (3.0, False)
    assert judged["Scrape p50 at about 300 series, sql-exporter's against ours"].met
    assert judged["The same at 2.5M charges a day"].value == 16.0
    assert judged["Growth of a refresh's database time from 1M to 30M rows at one booking rate"].met is None


def test_the_worst_of_all_sizes_is_judged(result) -> None:
    judged = {target.title: target for target in targets.targets(result)}

    statements = judged["Statements of a quiet refresh of three ledgers, verification included, all sizes"]
    assert (statements.value, statements.met) == (21, False)
    shares = {
        side: judged[f"Share of one core while an unrelated column is updated, {side}, all sizes"] for side in SIDES
    }
    assert [(share.value, share.met) for share in shares.values()] == [(1.0, True), (3.0, False)]
    missing = "Rows missing 60 s after the last booking, text ids"
    assert judged[missing].met
    assert not judged[f"{missing}, an outage of 10 minutes in between"].met
    assert judged["Rows missing at any refresh, booked a minute before it or earlier"].value == 5


def test_an_edit_that_did_not_show_counts_with_the_time_it_was_waited_for(result) -> None:
    judged = {target.title: target for target in targets.targets(result)}

    assert judged["Longest time until an edit shows, 4k rows over 370 days"].value == 900
    assert judged["Longest time until an edit shows, 10M rows"].met
    assert judged["Longest time until an edit shows, 100k rows"].met is None


def test_a_run_of_a_few_parts_is_told_as_well(result) -> None:
    few = {**result, "sizes": [], "rates": [], "scrapes": [], "answers": {}}
    none = {**few, "conditions": [], "old_ledger": None, "lateness": []}

    assert "## Rows that arrive late" in report.markdown(few)
    assert "## Rows that arrive late" not in report.markdown(none)
    assert report.summary(few)["rows_missing"] == 3
    assert set(report.summary(none).values()) == {None}


@pytest.mark.parametrize(
    ("value", "better", "word"),
    [(1.0, "lower", "reached"), (1.1, "lower", "missed"), (1.0, "higher", "reached"), (None, "higher", "not measured")],
)
def test_a_target_says_whether_it_was_reached(value, better, word) -> None:
    assert word == Target("title", value, 1.0, better).row()[-1]


def test_the_summary_has_the_figures_others_read(result) -> None:
    summary = report.summary(result)

    expected = {
        "rows": 10_000_000, "refresh_db_ms": 5.0, "peer_refresh_db_ms": 14_000.0, "refresh_wall_p50_ms": 6.0,
        "scrape_p50_ms": 0.1, "peer_scrape_p50_ms": 0.9, "partial_scrapes": 0, "rss_mb": 100.0, "refresh_statements": 21,
        "edit_longest_seconds": 200.0, "updates_server_share": 0.03, "rows_missing": 3,
    }  # fmt: skip
    assert expected == {name: summary[name] for name in expected}


def test_partial_state_of_a_first_load_counts(result) -> None:
    result["sizes"][1]["exporters"]["ledger-exporter"]["first_load_partial_scrapes"] = 2

    assert report.summary(result)["partial_scrapes"] == 2


def test_every_row_of_a_table_is_as_wide_as_its_head(result) -> None:
    width = 0
    for line in report.markdown(result).splitlines():
        if line.startswith("|"):
            width = width or line.count("|")
            assert width == line.count("|"), line
        else:
            width = 0


@pytest.mark.parametrize(
    ("value", "text"), [(None, "-"), (0, "0"), (0.0123, "0.0123"), (12.345, "12.3"), (1234.5, "1,234"), (331, "331")]
)
def test_numbers_keep_what_means_something(value, text) -> None:
    assert text == figures.number(value)


@pytest.mark.parametrize(("rows", "name"), [(20_000, "20k"), (2_500_000, "2.5M"), (30_000_000, "30M")])
def test_sizes_have_short_names(rows, name) -> None:
    assert figures.size_name(rows) == name


def test_sizes_are_read_as_people_write_them() -> None:
    assert parse_rows("1M,100k,30m") == (100_000, 1_000_000, 30_000_000)
    for wrong in ("", "many", "10", "-1k", "1G"):
        with pytest.raises(ValueError, match="number of rows"):
            parse_rows(wrong)


def test_the_plot_is_well_formed_and_has_a_line_for_each_exporter(result) -> None:
    root = ET.fromstring(plot.refresh_cost(lines(result)))  # noqa: S314 - our own drawing
    space = "{http://www.w3.org/2000/svg}"

    assert len(root.findall(f"{space}polyline")) == 4
    words = [element.text for element in root.iter(f"{space}text")]
    assert {"1M", "10M", "10 s", "sql-exporter", "ledger-exporter"} <= set(words)


def test_labels_of_lines_that_end_together_do_not_lie_on_each_other() -> None:
    root = ET.fromstring(plot.refresh_cost({"a": [(1e6, 5.0)], "b": [(1e6, 5.0)]}))  # noqa: S314 - our own drawing
    a, b = (float(e.get("y")) for e in root.iter("{http://www.w3.org/2000/svg}text") if e.text in {"a", "b"})

    assert abs(a - b) >= 15
