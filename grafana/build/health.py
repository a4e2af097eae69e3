"""Exporter health: can the figures be trusted right now? Here each exporter is looked at by itself."""

from typing import Any

from grafana_foundation_sdk.builders import stat, table, timeseries
from grafana_foundation_sdk.models.dashboard import DynamicConfigValue as Property

from grafana.build import controls
from grafana.build.common import (
    COUNT,
    GREEN,
    NUMBER,
    ORANGE,
    RED,
    SECONDS,
    SHARE,
    TEXT,
    Place,
    figure,
    graph,
    instant,
    over_time,
    rows,
    threshold_line,
)
from grafana.build.tables import NAME, Column, cell, listing, warned

UID = "ledger-exporter-health"
INSTANCE = 'instance=~"$instance"'
HOUR_SECONDS = 3600
EXPORTERS = f"ledger_snapshot_timestamp_seconds{{{INSTANCE}}}"


def build() -> dict[str, Any]:
    """The whole board as JSON."""
    instance = controls.labels(
        "instance", "Exporter", "ledger_snapshot_timestamp_seconds", "Which exporter, where several run."
    )
    return controls.board(
        UID,
        "Exporter health",
        "Can the figures be trusted right now? Ledgers, refreshes, data quality and the exporter's own process.",
        [instance],
        [
            ("", _now()),
            ("Refreshes", _refreshes()),
            ("Data quality", _quality()),
            ("Process", _process()),
        ],
        time_from="now-6h",
    )


def _now() -> list[Place]:
    return [
        Place(up(), 0, 0, 6, 4),
        Place(age(), 6, 0, 6, 4),
        Place(failed(), 12, 0, 4, 4),
        Place(configuration(), 16, 0, 4, 4),
        Place(series(), 20, 0, 4, 4),
    ]


def _refreshes() -> list[Place]:
    return [
        Place(duration(), 0, 0, 12, 8),
        Place(age_over_time(), 12, 0, 12, 8),
        Place(failures(), 0, 8, 8, 8),
        Place(rows_read(), 8, 8, 8, 8),
        Place(first_load(), 16, 8, 8, 8),
    ]


def _quality() -> list[Place]:
    return [
        Place(ledgers(), 0, 0, 14, 6),
        Place(sources(), 14, 0, 10, 6),
        Place(rejected(), 0, 6, 8, 8),
        Place(corrections(), 8, 6, 8, 8),
        Place(folded(), 16, 6, 8, 8),
    ]


def _process() -> list[Place]:
    return [
        Place(memory(), 0, 0, 8, 8),
        Place(cpu(), 8, 0, 8, 8),
        Place(descriptors(), 16, 0, 8, 8),
        Place(scrapes(), 0, 8, 12, 8),
        Place(builds(), 12, 8, 12, 8),
    ]


def up() -> stat.Panel:
    """Whether each ledger can be read."""
    return figure(
        "Can the ledgers be read?",
        "Whether every source of a ledger could be read at the last refresh; of several exporters the worst. While one is "
        "down its last values stay until they are too old, then its series disappear.",
        NUMBER,
        [instant("A", f"min by (ledger) (ledger_up{{{INSTANCE}}})", "{{ledger}}")],
        empty="no exporter",
        colour=((None, RED), (1, GREEN)),
    ).override_by_field_type("number", [_states({"0": ("down", RED), "1": ("up", GREEN)})])


def age() -> stat.Panel:
    """How old each ledger's figures are."""
    return figure(
        "Data age",
        "Time since each ledger was last read from all its sources; of several exporters the longest. "
        "Orange from 2 minutes, red from 15 minutes, when values are withdrawn (by default).",
        SECONDS,
        [
            instant(
                "A", f"time() - min by (ledger) ({_of('ledger_refresh_last_success_timestamp_seconds')})", "{{ledger}}"
            )
        ],
        empty="no exporter",
        colour=((None, GREEN), (120, ORANGE), (900, RED)),
    ).decimals(0)


def failed() -> stat.Panel:
    """Refreshes that failed lately."""
    return figure(
        "Failed in the last hour",
        "Attempts to read a ledger that failed in the last hour, of all ledgers and exporters chosen.",
        COUNT,
        [instant("A", f"sum(increase({_of('ledger_refresh_failures_total')}[1h]))")],
        empty="no exporter",
        colour=((None, GREEN), (0.5, ORANGE), (10, RED)),
    ).decimals(0)


def configuration() -> stat.Panel:
    """Whether the configuration in use is the one on disk."""
    return figure(
        "Configuration",
        "Whether the configuration could be loaded at the last attempt; if not, the one before is in use. "
        "Of several exporters the worst.",
        NUMBER,
        [instant("A", f"min({_of('ledger_config_last_reload_successful')})")],
        empty="no exporter",
        colour=((None, RED), (1, GREEN)),
    ).override_by_field_type("number", [_states({"0": ("rejected", RED), "1": ("loaded", GREEN)})])


def series() -> stat.Panel:
    """How many series a scrape brings."""
    return figure(
        "Series per scrape",
        "Samples in the last scrape of an exporter; the exporter's own limit is 50,000 by default.",
        COUNT,
        [instant("A", f"max({_beside('scrape_samples_scraped')})")],
        empty="no exporter",
        colour=((None, GREEN), (30_000, ORANGE), (50_000, RED)),
    )


def duration() -> timeseries.Panel:
    """How long refreshes take."""
    return graph(
        "Refresh duration",
        "How long the last attempt to read each ledger took; of several sources the slowest.",
        SECONDS,
        [over_time("A", _of("ledger_refresh_duration_seconds"), "{{ledger}} {{instance}}")],
    )


def age_over_time() -> timeseries.Panel:
    """How old the figures were."""
    return graph(
        "Data age over time",
        "Time since each ledger was last read from all its sources. A saw-tooth of one refresh interval is healthy; a slope is "
        "an outage.",
        SECONDS,
        [
            over_time(
                "A",
                f"time() - {_of('ledger_refresh_last_success_timestamp_seconds')}",
                "{{ledger}} {{instance}}",
            )
        ],
    )


def failures() -> timeseries.Panel:
    """Failed refreshes."""
    return (
        graph(
            "Failed refreshes per hour",
            "Attempts to read a ledger that failed, an hour.",
            COUNT,
            [over_time("A", _per_hour("ledger_refresh_failures_total"), "{{ledger}} {{instance}}")],
        )
        .interval("1m")
        .axis_soft_max(1)
    )


def rows_read() -> timeseries.Panel:
    """The database's load from refreshes."""
    panel = graph(
        "Rows read per refresh",
        "Rows of each ledger that a refresh reads on average. It follows what is new, not how large the ledger is.",
        COUNT,
        [
            over_time(
                "A",
                f"rate({_of('ledger_rows_read_total')}[$__rate_interval]) "
                f"/ (rate({_of('ledger_refreshes_total')}[$__rate_interval]) > 0)",
                "{{ledger}} {{instance}}",
            )
        ],
    )
    # Refreshes may be further apart than the points are.
    return panel.interval("1m").span_nulls(900_000)


def first_load() -> timeseries.Panel:
    """Progress after a start, and how thoroughly settled rows were checked since."""
    return graph(
        "First load",
        "How much of a ledger's history has been read since the exporter started; windows that are not complete are absent until "
        "then.",
        SHARE,
        [over_time("A", _of("ledger_first_load_progress_ratio"), "{{ledger}} {{instance}}")],
        empty="no progress published",
    ).max(1)


def ledgers() -> table.Panel:
    """Each ledger in a line."""
    by_ledger = "by (instance, ledger)"
    return listing(
        "Ledgers",
        "The newest row that is not dated after now, when the ledger was last read, and how long ago its oldest row was last "
        "verified against what is published.",
        [
            rows("A", f"max {by_ledger} ({_of('ledger_up')})"),
            rows("B", f"1000 * max {by_ledger} ({_of('ledger_newest_row_timestamp_seconds')})"),
            rows("C", f"1000 * max {by_ledger} ({_of('ledger_refresh_last_success_timestamp_seconds')})"),
            rows("D", f"max {by_ledger} ({_of('ledger_verified_age_seconds')})"),
            rows("E", f"sum {by_ledger} ({_of('ledger_rows_rejected')})"),
        ],
        [
            Column("ledger", "Ledger", width=75),
            Column("instance", "Exporter", properties=NAME),
            Column("Value #A", "State", "", 65, _state_cell()),
            Column("Value #B", "Newest row", "dateTimeFromNow", 135),
            Column("Value #C", "Last read", "dateTimeFromNow", 135),
            Column("Value #D", "Verified", SECONDS, 80),
            Column("Value #E", "Rejected", COUNT, 80, warned([(None, "text"), (1, ORANGE)])),
        ],
        empty="no exporter",
    )


def sources() -> table.Panel:
    """Each database in a line."""
    return listing(
        "Sources",
        "Whether each ledger could be read from each of its databases at the last refresh.",
        [rows("A", f"max by (instance, ledger, source) ({_of('ledger_source_up')})")],
        [
            Column("ledger", "Ledger", width=90),
            Column("source", "Source"),
            Column("instance", "Exporter", properties=NAME),
            Column("Value", "State", "", 80, _state_cell()),
        ],
        empty="no exporter",
    )


def rejected() -> timeseries.Panel:
    """Rows left out."""
    return graph(
        "Rejected rows",
        "Rows now in the ledger that are left out of every figure because their instant, cost, allocation or impact is NULL, "
        "NaN or infinite; of several exporters the most.",
        COUNT,
        [over_time("A", f"max by (ledger, reason) ({_of('ledger_rows_rejected')})", "{{ledger}}: {{reason}}")],
        empty="no row is rejected",
    )


def corrections() -> timeseries.Panel:
    """Rows that had changed behind our back."""
    found = _per_hour("ledger_corrections_total")
    panel = graph(
        "Corrections per hour",
        "Differences between settled rows and what was published, found and put right by verification: edits, deletions, "
        "moves. Dotted: how many an hour an alert takes for usual.",
        COUNT,
        [
            over_time("A", found, "{{ledger}} {{instance}}"),
            over_time("B", f"max({_usual_corrections()}) and on () {found}", "Warning from"),
        ],
        empty="no correction published",
    )
    return panel.interval("1m").override_by_name("Warning from", threshold_line(TEXT))


def folded() -> timeseries.Panel:
    """Labels beyond their limit."""
    return graph(
        "Labels folded into other",
        "Values of a label, or combinations of labels, beyond their configured limit: their sums are in “other”. Above 0 it is time "
        "to raise a limit, or to look for labels that should not be. Of several exporters the most.",
        COUNT,
        [over_time("A", f"max by (label) ({_of('ledger_labels_folded')})", "{{label}}")],
    ).axis_soft_max(1)


def memory() -> timeseries.Panel:
    """Memory."""
    return graph(
        "Memory",
        "Resident memory of the exporter.",
        "bytes",
        [over_time("A", _beside("process_resident_memory_bytes"), "{{instance}}")],
    )


def cpu() -> timeseries.Panel:
    """CPU."""
    return graph(
        "CPU",
        "Share of one core the exporter uses.",
        SHARE,
        [over_time("A", _beside(f"rate(process_cpu_seconds_total{{{INSTANCE}}}[$__rate_interval])"), "{{instance}}")],
    ).interval("1m")


def descriptors() -> timeseries.Panel:
    """Open files and connections."""
    return graph(
        "Open file descriptors",
        "Files and connections the exporter has open. A number that keeps growing is a leak.",
        COUNT,
        [over_time("A", _beside("process_open_fds"), "{{instance}}")],
    )


def scrapes() -> timeseries.Panel:
    """How long Prometheus waits."""
    return graph(
        "Scrape duration",
        "How long Prometheus waited for /metrics. It does not depend on the size of the ledger.",
        SECONDS,
        [over_time("A", _beside("scrape_duration_seconds"), "{{instance}}")],
    )


def builds() -> table.Panel:
    """What runs."""
    return listing(
        "Versions",
        "What runs where, since when, and when its configuration was last loaded.",
        [
            rows("A", f"max by (instance, version, python_version) ({_of('ledger_exporter_build_info')})"),
            rows("B", f"1000 * max by (instance) ({_beside('process_start_time_seconds')})"),
            rows("C", f"1000 * max by (instance) ({_of('ledger_config_last_reload_success_timestamp_seconds')})"),
        ],
        [
            Column("instance", "Exporter", properties=NAME),
            Column("version", "Version", width=100),
            Column("python_version", "Python", width=80),
            Column("Value #B", "Started", "dateTimeFromNow", 130),
            Column("Value #C", "Configured", "dateTimeFromNow", 130),
            Column("Value #A", "Info", properties=(Property(id_val="custom.hidden", value=True),)),
        ],
        key="instance",
        empty="no exporter",
    )


def _of(metric: str) -> str:
    return f"{metric}{{{INSTANCE}}}"


def _beside(process_metric: str) -> str:
    """A metric every process has, of the exporters alone."""
    own = process_metric if "{" in process_metric else _of(process_metric)
    return f"{own} and on (job, instance) {EXPORTERS}"


def _usual_corrections() -> str:
    return f'ledger_threshold_platform_corrections_per_hour{{{INSTANCE}, severity="warning"}}'


def _per_hour(counter: str) -> str:
    return f"{HOUR_SECONDS} * rate({_of(counter)}[$__rate_interval])"


def _states(states: dict[str, tuple[str, str]]) -> Property:
    options = {
        value: {"text": text, "color": colour, "index": place}
        for place, (value, (text, colour)) in enumerate(states.items())
    }
    return Property(id_val="mappings", value=[{"type": "value", "options": options}])


def _state_cell() -> tuple[Property, ...]:
    states = _states({"0": ("down", RED), "1": ("up", GREEN)})
    centre = Property(id_val="custom.align", value="center")
    return (*cell("color-background", "basic", legacy="color-background-solid"), centre, states)
