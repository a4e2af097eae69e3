"""Published samples, compared with what the oracle says of the same ledgers."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from tests.oracle import Key, Options, Samples, as_float, samples
from tests.support.exporter_process import Samples as Scrape
from tests.support.exporter_process import sample

NOT_FIGURES = frozenset({
    "ledger_up",
    "ledger_source_up",
    "ledger_snapshot_timestamp_seconds",
    "ledger_refresh_interval_seconds",
    "ledger_max_age_seconds",
    "ledger_refresh_duration_seconds",
    "ledger_refresh_last_success_timestamp_seconds",
    "ledger_refreshes_total",
    "ledger_refresh_failures_total",
    "ledger_first_load_progress_ratio",
    "ledger_verified_age_seconds",
    "ledger_row_lateness_seconds",
    "ledger_rows_read_total",
    "ledger_corrections_total",
    "ledger_exporter_build_info",
    "ledger_config_last_reload_successful",
    "ledger_config_last_reload_success_timestamp_seconds",
})  # fmt: skip
"""What tells of the exporter and not of the ledgers."""


def differences(expected: Samples, published: dict[Key, float]) -> list[str]:
    """Each sample that is missing, should not be there, or is not the float nearest to the exact value."""
    of_ledgers = {
        key: value
        for key, value in published.items()
        if key[0] not in NOT_FIGURES and not key[0].startswith(("process_", "ledger_threshold_"))
    }
    found = []
    for key in sorted(expected.keys() | of_ledgers.keys(), key=lambda key: (key[0], sorted(key[1]))):
        if key not in of_ledgers:
            found.append(f"{_named(key)} is not published, but is {expected[key]}")
        elif key not in expected:
            found.append(f"{_named(key)} should not be published, but says {of_ledgers[key]!r}")
        elif of_ledgers[key] != as_float(expected[key]):
            found.append(f"{_named(key)} says {of_ledgers[key]!r}, but is {expected[key]}")
    return found


def _named(key: Key) -> str:
    metric, labels = key
    return metric + "{" + ", ".join(f"{name}={value!r}" for name, value in sorted(labels)) + "}"


def figures(published: dict[Key, Any]) -> dict[Key, Any]:
    """All samples but those that tell of a process's past: counters, and the quests they remember."""
    return {
        sample: value
        for sample, value in published.items()
        if not sample[0].endswith("_total") and sample[0] != "ledger_quest_info"
    }


def check(dsns: list[str], now: datetime, published: dict[Key, float], options: Options | None = None) -> None:
    """Check that each sample is what the oracle says of the ledgers as they are."""
    expected: Samples = figures(samples(dsns, now, options or Options()))
    found = differences(expected, figures(published))
    if found:
        pytest.fail(f"{len(found)} of {len(expected)}:\n" + "\n".join(found[:12]), pytrace=False)


def value(published: dict[Key, float], metric: str, **labels: str) -> float | None:
    """The sample with these labels; None where there is none."""
    found = [
        value for (name, names), value in published.items() if name == metric and labels.items() <= dict(names).items()
    ]
    assert len(found) <= 1
    return found[0] if found else None


def as_published(scrape: Scrape) -> dict[Key, float]:
    """A scrape as the oracle's comparison takes it."""
    return dict(scrape)


def snapshot_instant(scrape: Scrape) -> datetime:
    """The instant a scrape is of."""
    return datetime.fromtimestamp(scrape[sample("ledger_snapshot_timestamp_seconds")], UTC)
