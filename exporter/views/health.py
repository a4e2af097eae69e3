"""Health: can these figures be trusted, and how old are they?"""

from __future__ import annotations

import platform
from collections.abc import Iterator

from exporter import __version__
from exporter.holding import LedgerHealth
from exporter.publishing.snapshot import Snapshot
from exporter.views.metric import Family, Metric

UP = Metric("ledger_up", "1 if every source of the ledger could be read at the last refresh, else 0.", ("ledger",))
SOURCE_UP = Metric(
    "ledger_source_up",
    "1 if the ledger could be read from this source at the last refresh, else 0.",
    ("ledger", "source"),
)
SNAPSHOT = Metric(
    "ledger_snapshot_timestamp_seconds",
    "The instant windows are judged at: that of the last refresh that read a ledger, in seconds since 1970.",
)
INTERVAL = Metric("ledger_refresh_interval_seconds", "How often the ledgers are read, in seconds, as configured.")
MAX_AGE = Metric(
    "ledger_max_age_seconds",
    "How long, in seconds, a ledger that cannot be read keeps its last values, as configured.",
)
DURATION = Metric(
    "ledger_refresh_duration_seconds",
    "How long the last attempt to read the ledger took, in seconds; of several sources the slowest.",
    ("ledger",),
)
LAST_SUCCESS = Metric(
    "ledger_refresh_last_success_timestamp_seconds",
    "When the ledger was last read from all its sources, in seconds since 1970.",
    ("ledger",),
)
REFRESHES = Metric("ledger_refreshes_total", "Number of attempts to read the ledger.", ("ledger",))
FAILURES = Metric("ledger_refresh_failures_total", "Number of attempts to read the ledger that failed.", ("ledger",))
PROGRESS = Metric(
    "ledger_first_load_progress_ratio",
    "Share of the ledger that is loaded since the exporter started, by time: windows that are not complete are absent.",
    ("ledger",),
)
VERIFIED_AGE = Metric(
    "ledger_verified_age_seconds",
    "Age in seconds of the oldest reading of any part of the ledger: edits of before are in the figures.",
    ("ledger",),
)
LATENESS = Metric(
    "ledger_row_lateness_seconds",
    "The largest time in seconds from a row's instant to the refresh that first saw it, over the last hour.",
    ("ledger",),
)
CORRECTIONS = Metric(
    "ledger_corrections_total",
    "Number of parts of the ledger that were found changed when they were read again, and were corrected.",
    ("ledger",),
)
ROWS_READ = Metric("ledger_rows_read_total", "Number of the ledger's rows that refreshes have read.", ("ledger",))
REJECTED = Metric(
    "ledger_rows_rejected",
    "Number of rows now in the ledger that are left out of every figure: what named is NULL, NaN or infinite.",
    ("ledger", "reason"),
)
NEWEST_ROW = Metric(
    "ledger_newest_row_timestamp_seconds",
    "The newest instant in the ledger that is not after now, in seconds since 1970; for budgets, of days.",
    ("ledger",),
)
FOLDED = Metric(
    "ledger_labels_folded",
    "Number of values of a label, or combinations of labels, that are beyond their limit and folded into other.",
    ("label",),
)
BUILD_INFO = Metric(
    "ledger_exporter_build_info", "Always 1: the versions of the exporter and of Python.", ("version", "python_version")
)
RELOAD_OK = Metric(
    "ledger_config_last_reload_successful", "1 if the configuration could be loaded at the last attempt, else 0."
)
RELOAD_TIME = Metric(
    "ledger_config_last_reload_success_timestamp_seconds",
    "When the configuration was last loaded successfully, in seconds since 1970.",
)

METRICS = (
    UP,
    SOURCE_UP,
    SNAPSHOT,
    INTERVAL,
    MAX_AGE,
    DURATION,
    LAST_SUCCESS,
    REFRESHES,
    FAILURES,
    PROGRESS,
    VERIFIED_AGE,
    LATENESS,
    ROWS_READ,
    REJECTED,
    CORRECTIONS,
    NEWEST_ROW,
    FOLDED,
    BUILD_INFO,
    RELOAD_OK,
    RELOAD_TIME,
)


def families(snapshot: Snapshot) -> Iterator[Family]:
    """Yield the families of this view."""
    yield from _ledgers(snapshot)
    yield from _rows(snapshot)
    yield from _settings(snapshot)


def _ledgers(snapshot: Snapshot) -> Iterator[Family]:
    per_ledger = {
        metric: metric.family()
        for metric in (
            UP,
            SOURCE_UP,
            DURATION,
            LAST_SUCCESS,
            REFRESHES,
            FAILURES,
            PROGRESS,
            VERIFIED_AGE,
            LATENESS,
            ROWS_READ,
            CORRECTIONS,
        )
    }
    for ledger, health in snapshot.health.items():
        for source, up in health.sources.items():
            per_ledger[SOURCE_UP].add((ledger, source), up)
        for metric, value in _health_values(health):
            if value is not None:
                per_ledger[metric].add((ledger,), value)
    yield from per_ledger.values()


def _health_values(health: LedgerHealth) -> Iterator[tuple[Metric, float | None]]:
    yield UP, health.up
    yield DURATION, health.duration_seconds
    yield LAST_SUCCESS, health.last_success
    yield REFRESHES, health.refreshes
    yield FAILURES, health.failures
    yield PROGRESS, health.progress
    yield VERIFIED_AGE, health.verified_age
    yield LATENESS, health.lateness
    yield ROWS_READ, health.rows_read
    yield CORRECTIONS, health.corrections


def _rows(snapshot: Snapshot) -> Iterator[Family]:
    rejected, newest = REJECTED.family(), NEWEST_ROW.family()
    for ledger in snapshot.health:
        figures = snapshot.figures(ledger)
        if figures is None:
            continue
        for reason, number in figures.rejected.items() if "all" in figures.windows else ():
            rejected.add((ledger, reason), number)
        if figures.newest is not None:
            newest.add((ledger,), figures.newest / 1_000_000)
    yield from (rejected, newest)


def _settings(snapshot: Snapshot) -> Iterator[Family]:
    single: list[tuple[Metric, float | None]] = [
        (SNAPSHOT, snapshot.instant),
        (INTERVAL, snapshot.settings.refresh_interval_seconds),
        (MAX_AGE, snapshot.settings.max_age_seconds),
        (RELOAD_OK, snapshot.reload.successful),
        (RELOAD_TIME, snapshot.reload.success),
    ]
    for metric, value in single:
        family = metric.family()
        if value is not None:
            family.add((), value)
        yield family
    folded, build = FOLDED.family(), BUILD_INFO.family()
    for label, number in snapshot.folded.items():
        folded.add((label,), number)
    build.add((__version__, platform.python_version()), 1)
    yield from (folded, build)
