"""What was measured, in words: the targets and how they were met, tables, and the figures for machines. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from bench import conditions_report
from bench.exporters import HANDWRITTEN, OURS, PEERS, QUERY_EXPORTER, SQL_EXPORTER
from bench.figures import (
    DEFAULT_NAME,
    FEW_NAME,
    SMALL_TITLE,
    Result,
    number,
    of,
    partial_scrapes,
    ratio,
    scrapes_of,
    size_name,
    table,
)
from bench.targets import targets


def summary(result: Result) -> dict[str, Any]:
    """The figures of the largest size, flat, for machines; those that were not measured are null."""
    size = result["sizes"][-1] if result["sizes"] else {"rows": None, "rate": None, "exporters": None}
    found, small = size["exporters"], scrapes_of(result, SMALL_TITLE)
    conditions = result["conditions"][-1] if result["conditions"] else None
    missing = [each["missing"] for each in result["lateness"]]
    return {
        "rows": size["rows"],
        "rows_a_day": size["rate"],
        "refresh_db_ms": of(found, OURS, "db_ms"),
        "peer_refresh_db_ms": of(found, SQL_EXPORTER, "db_ms"),
        "query_exporter_refresh_db_ms": of(found, QUERY_EXPORTER, "db_ms"),
        "handwritten_refresh_db_ms": of(found, HANDWRITTEN, "db_ms"),
        "refresh_wall_p50_ms": of(found, FEW_NAME, "wall_ms"),
        "refresh_wall_compact_configuration_p50_ms": of(found, OURS, "wall_ms"),
        "refresh_wall_default_configuration_p50_ms": of(found, DEFAULT_NAME, "wall_ms"),
        "first_load_seconds": of(found, OURS, "first_load_seconds"),
        "first_today_seconds": of(found, OURS, "first_today_seconds"),
        "first_load_db_ms": of(found, OURS, "first_load_db_ms"),
        "scrape_p50_ms": of(small, OURS, "p50_ms"),
        "peer_scrape_p50_ms": of(small, SQL_EXPORTER, "p50_ms"),
        "scrape_gzip_p50_ms": of(small, OURS, "gzip_p50_ms"),
        "peer_scrape_gzip_p50_ms": of(small, SQL_EXPORTER, "gzip_p50_ms"),
        "scrapes_per_second": of(small, OURS, "per_second_one_core"),
        "peer_scrapes_per_second": of(small, SQL_EXPORTER, "per_second_one_core"),
        "scrape_during_refresh_p99_ms": of(found, DEFAULT_NAME, "scrape_during_refresh_p99_ms"),
        "checked_scrapes": of(found, DEFAULT_NAME, "scrapes"),
        "partial_scrapes": partial_scrapes(size) if found else None,
        "peer_checked_scrapes": of(found, SQL_EXPORTER, "scrapes"),
        "peer_partial_scrapes": of(found, SQL_EXPORTER, "partial_scrapes"),
        "rss_mb": of(found, OURS, "rss_mb"),
        "rss_small_ledger_mb": of(small, OURS, "rss_mb"),
        "peer_rss_mb": of(found, SQL_EXPORTER, "rss_mb"),
        "scrape_during_first_load_p99_ms": of(found, DEFAULT_NAME, "first_load_scrape_p99_ms"),
        "rss_few_series_mb": of(found, FEW_NAME, "rss_mb"),
        "refresh_statements": conditions and conditions["statements"]["quiet"],
        "edit_longest_seconds": conditions and conditions["edits"]["longest_seconds"],
        "refresh_cold_cache_db_ms": conditions and conditions["cold"]["db_ms"],
        "refresh_unvacuumed_tail_db_ms": conditions and conditions["tail"]["db_ms"],
        "refresh_random_order_db_ms": conditions and conditions["random"]["db_ms"],
        "updates_exporter_share": conditions and conditions["updates"]["busy"]["exporter"],
        "updates_server_share": conditions and conditions["updates"]["busy"]["server"],
        "rows_missing": max(missing, default=None),
    }


def markdown(result: Result) -> str:
    """The whole report."""
    return "\n\n".join(_sections(result)) + "\n"


def _sections(result: Result) -> Iterator[str]:
    yield f"# Benchmark of {result['date']}"
    yield _INTRODUCTION.replace("INTERVAL", f"{result['interval_seconds']:g}")
    machine = {
        **result["machine"],
        "at work between measurements": f"{result['busy_share']:.0%}",
        "measured in": f"{result['sittings']} sitting{'s' if result['sittings'] > 1 else ''}",
    }
    yield table(["Machine", ""], [[key, value] for key, value in machine.items()])
    yield table(["Program", "Version"], [[key, value] for key, value in result["versions"].items()])
    yield "## Targets"
    yield table(["Figure", "Target", "Measured", ""], [target.row() for target in targets(result)])
    if result["sizes"]:
        yield "## A refresh"
        yield (
            "Medians, of a peer those of five refreshes: of three where one takes over 5 s, of two over 20 s, one over"
            " a minute. Database time in ms by the number of rows in the cost ledger, at one booking rate: growth in age."
        )
        yield _by_size(result, "db_ms")
        yield "![Database time of one refresh against the rows of the ledger](refresh-cost.svg)"
        yield "Wall time in ms: ours as its log has it, a peer's from its first statement to the end of its last."
        yield _by_size(result, "wall_ms")
        yield "Temporary files the server wrote for a refresh, in MB:"
        yield _by_size(result, "temporary_mb")
        yield "Memory in MB (resident, after the refreshes):"
        yield _by_size(result, "rss_mb")
    if result["rates"]:
        yield "## Growth in rate"
        yield "The same number of rows, booked at different rates:"
        yield _by_rate(result)
    if result["sizes"]:
        yield "## First load"
        yield _first_load(result)
        yield "## Scrapes while it refreshes"
        yield _WATCHED
        yield _watched(result)
    yield from conditions_report.sections(result)
    for each in result["scrapes"]:
        yield f"## Scrapes: {each['title']}"
        yield _scrape_table(each["exporters"])
    if result["answers"]:
        yield "## Do all give the same answers?"
        yield table(
            ["Peer", "Answers that differ from ours"],
            [[peer, str(len(differences))] for peer, differences in result["answers"].items()],
        )


_INTRODUCTION = f"""\
Written by `make bench`; all figures are of one run on one machine, ratios too. Each exporter is a process of its own and
runs alone, against the same PostgreSQL, with the same six questions (`bench/sql/questions/`): spend, tokens and distinct
tasks by provider; spend and budget, impact per dollar and waste by quest; each in the windows today, 7d, 30d and all.

**Database time** is the sum of what the server itself logs (`log_duration`) for every statement of the exporter's own role:
parse, bind and execute. What parallel helpers of a statement do beside it is not counted, which favours the peers. Our
refresh is all that was done between two swaps of the snapshot, verification included; a peer's is what lies between two rests.

While refreshes are measured the platform books at the rate given, and ours runs at an interval of INTERVAL s. *{OURS}* is
the compact configuration (every provider and quest, models and layers folded, top 5: what the peers answer and more),
*{FEW_NAME}* one of about 300 series (top 5, two quests, two providers), *{DEFAULT_NAME}* the one that ships, both refreshed
every second. Scrapes are measured by wrk: latencies over one connection, rates over eight, with the server on one core and wrk
on the other. nginx serves our bytes as a static file. Memory is VmRSS, in 10^6 bytes.

Statements, edits, other conditions, updates to an unrelated column and late rows are measured of {OURS} alone, in the compact
configuration; their sections say how."""

_WATCHED = """\
Scraped one after the other while fifty charges a second are booked, over several refreshes. A scrape is partial when its
parts do not agree: when the providers' spend of a window is not the quests' (ours also: the models' and the days' spend, and
tokens), or a part is missing. The first loads of peers are scraped now and then only."""


def _by_size(result: Result, figure: str) -> str:
    names = list(dict.fromkeys(name for size in result["sizes"] for name in size["exporters"]))
    head = ["", *(f"{size_name(size['rows'])} rows" for size in result["sizes"])]
    rows = [[name, *(number(of(size["exporters"], name, figure)) for size in result["sizes"])] for name in names]
    return table(head, rows)


def _by_rate(result: Result) -> str:
    head = ["Rows a day", "Rows", "Days", "Database time, ms", "Wall, ms", "First load, s", "Memory, MB"]
    rows = []
    for each in result["rates"]:
        ours = each["exporters"][OURS]
        figures = ("db_ms", "wall_ms", "first_load_seconds", "rss_mb")
        days = number(each["rows"] / each["rate"])
        rows.append(
            [size_name(each["rate"]), size_name(each["rows"]), days, *(number(ours[figure]) for figure in figures)]
        )
    return table(head, rows)


def _first_load(result: Result) -> str:
    head = [
        "Rows",
        "Today right after, s",
        "All right after, s",
        "Database time, ms",
        "sql-exporter's refresh, ms",
        "Ratio",
    ]
    rows = []
    for size in result["sizes"]:
        ours, peer = size["exporters"][OURS], of(size["exporters"], SQL_EXPORTER, "db_ms")
        figures = (ours["first_today_seconds"], ours["first_load_seconds"], ours["first_load_db_ms"], peer)
        rows.append([size_name(size["rows"]), *map(number, figures), number(ratio(ours["first_load_db_ms"], peer))])
    return table(head, rows)


def _watched(result: Result) -> str:
    head = ["Rows", "Exporter", "Of the first load", "Partial", "Scrapes", "Partial", "During a refresh"]
    rows = []
    for size in result["sizes"]:
        for name in (DEFAULT_NAME, *PEERS):
            if name in size["exporters"]:
                found = size["exporters"][name]
                first = (found["first_load_scrapes"], found["first_load_partial_scrapes"])
                counts = (found["scrapes"], found["partial_scrapes"], found["scrapes_during_refresh"])
                times = (
                    found["scrape_p99_ms"],
                    found["scrape_during_refresh_p99_ms"],
                    found["first_load_scrape_p99_ms"],
                )
                rows.append([size_name(size["rows"]), name, *map(number, (*first, *counts, *times))])
    return table([*head, "p99, ms", "p99 during a refresh, ms", "p99 during the first load, ms"], rows)


def _scrape_table(found: Mapping[str, Any]) -> str:
    head = [
        "",
        "Series",
        "Bytes",
        "p50, ms",
        "p99, ms",
        "gzip p50, ms",
        "gzip p99, ms",
        "A second, one core",
        "Memory, MB",
    ]
    figures = ("series", "bytes", "p50_ms", "p99_ms", "gzip_p50_ms", "gzip_p99_ms", "per_second_one_core", "rss_mb")
    return table(head, [[name, *(number(each[figure]) for figure in figures)] for name, each in found.items()])
