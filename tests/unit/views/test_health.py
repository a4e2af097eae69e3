"""Health: can these figures be trusted, and how old are they?"""

from __future__ import annotations

import platform

from exporter import __version__
from exporter.config import LEDGERS
from exporter.holding import LedgerHealth
from exporter.publishing.snapshot import Reload
from exporter.views import health
from tests.support.snapshots import budget_figures, cost_figures, impact_figures, published, snapshot

NEVER_READ = LedgerHealth({})
UP = LedgerHealth(
    {"a": True, "b": True}, refreshes=5, failures=1, rows_read=700, duration_seconds=0.25, last_success=1000.5
)


def of(**ledgers: LedgerHealth) -> dict[str, object]:
    return {"health": dict.fromkeys(LEDGERS, NEVER_READ) | ledgers}


def test_a_ledger_that_was_read_is_up_with_all_its_sources() -> None:
    found = published(health.families(snapshot(**of(cost=UP))))

    assert found["ledger_up"] == {("cost",): 1.0}
    assert found["ledger_source_up"] == {("cost", "a"): 1.0, ("cost", "b"): 1.0}
    assert found["ledger_refresh_duration_seconds"] == {("cost",): 0.25}
    assert found["ledger_refresh_last_success_timestamp_seconds"] == {("cost",): 1000.5}
    assert found["ledger_refreshes_total"]["cost",] == 5
    assert found["ledger_refresh_failures_total"]["cost",] == 1
    assert found["ledger_rows_read_total"]["cost",] == 700


def test_it_is_told_how_far_loading_is_and_how_long_ago_all_was_read() -> None:
    """What is not known yet is absent; corrections are counted from 0."""
    loading = LedgerHealth({"a": True}, progress=0.25, verified_age=3.5, corrections=2)
    found = published(health.families(snapshot(**of(cost=loading))))

    assert found["ledger_first_load_progress_ratio"] == {("cost",): 0.25}
    assert found["ledger_verified_age_seconds"] == {("cost",): 3.5}
    assert found["ledger_corrections_total"] == {("cost",): 2.0, ("impact",): 0.0, ("budget",): 0.0}


def test_rejected_rows_are_not_told_before_all_are_loaded() -> None:
    found = published(health.families(snapshot(cost=cost_figures(rejected={"cost": 3}, windows=("today", "7d")))))

    assert "ledger_rows_rejected" not in found


def test_a_ledger_is_down_if_any_of_its_sources_is() -> None:
    found = published(
        health.families(snapshot(**of(budget=LedgerHealth({"a": True, "b": False}, refreshes=1, failures=1))))
    )

    assert found["ledger_up"] == {("budget",): 0.0}
    assert found["ledger_source_up"] == {("budget", "a"): 1.0, ("budget", "b"): 0.0}
    assert "ledger_refresh_last_success_timestamp_seconds" not in found


def test_before_the_first_attempt_nothing_is_claimed() -> None:
    """Neither up nor down; counters begin at 0, so that the first failure is growth."""
    found = published(health.families(snapshot()))

    assert not {"ledger_up", "ledger_source_up", "ledger_snapshot_timestamp_seconds"} & found.keys()
    assert found["ledger_refresh_failures_total"] == {(ledger,): 0.0 for ledger in LEDGERS}
    assert found["ledger_refreshes_total"] == {(ledger,): 0.0 for ledger in LEDGERS}


def test_rejected_rows_are_told_by_reason_0_included() -> None:
    found = published(health.families(snapshot(cost=cost_figures(rejected={"instant": 0, "cost": 3}))))

    assert found["ledger_rows_rejected"] == {("cost", "instant"): 0.0, ("cost", "cost"): 3.0}


def test_the_newest_row_is_told_in_seconds() -> None:
    figures = {
        "cost": cost_figures(newest=1_500_000),
        "impact": impact_figures(newest=None),
        "budget": budget_figures(newest=86_400_000_000),
    }
    found = published(health.families(snapshot(**figures)))

    assert found["ledger_newest_row_timestamp_seconds"] == {("cost",): 1.5, ("budget",): 86_400.0}


def test_folded_labels_are_counted() -> None:
    found = published(health.families(snapshot(folded={"quest": 3, "provider,model": 0})))

    assert found["ledger_labels_folded"] == {("quest",): 3.0, ("provider,model",): 0.0}


def test_what_is_configured_is_told() -> None:
    found = published(health.families(snapshot(instant=1234.5)))

    assert found["ledger_snapshot_timestamp_seconds"] == {(): 1234.5}
    assert found["ledger_refresh_interval_seconds"] == {(): 15.0}
    assert found["ledger_max_age_seconds"] == {(): 900.0}


def test_a_failed_reload_is_told_with_the_last_that_succeeded() -> None:
    found = published(health.families(snapshot(reload=Reload(successful=False, success=99.0))))

    assert found["ledger_config_last_reload_successful"] == {(): 0.0}
    assert found["ledger_config_last_reload_success_timestamp_seconds"] == {(): 99.0}


def test_the_build_is_told() -> None:
    found = published(health.families(snapshot()))

    assert found["ledger_exporter_build_info"] == {(__version__, platform.python_version()): 1.0}
