"""What was measured, in words: the targets and how they were met, tables, and the figures for machines. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from bench.exporters import HANDWRITTEN, OURS, PEERS, QUERY_EXPORTER, SQL_EXPORTER

Result = Mapping[str, Any]
SMALL_TITLE = "about 300 series"
WIDE_TITLE = "about 10,000 series"
DEFAULT_NAME = f"{OURS}, default"
FEW_NAME = f"{OURS}, few series"
NOTHING = "-"


@dataclass(frozen=True)
class Target:
    """A figure the exporter is to reach; `value` is None where this run did not measure it."""

    title: str
    value: float | None
    bound: float
    better: Literal["higher", "lower"]
    unit: str = ""

    @property
    def met(self) -> bool | None:
        """Whether it was reached."""
        if self.value is None:
            return None
        return self.value >= self.bound if self.better == "higher" else self.value <= self.bound

    def row(self) -> list[str]:
        """As a row of a table."""
        words = {True: "reached", False: "missed", None: "not measured"}[self.met]
        relation = "at least" if self.better == "higher" else "at most"
        unit = self.unit and f" {self.unit}"
        return [
            self.title,
            f"{relation} {self.bound:,g}{unit}",
            f"{number(self.value)}{unit if self.value is not None else ''}",
            words,
        ]


def ratio(above: float | None, below: float | None) -> float | None:
    """Divide; None where a figure is missing or the divisor is 0."""
    return above / below if above is not None and below else None


def number(value: float | None) -> str:
    """Print a figure with three digits that mean something."""
    if value is None:
        return NOTHING
    if value >= 100 or value == int(value):
        return f"{value:,.0f}"
    return f"{value:.3g}"


def _size(result: Result, rows: int) -> Mapping[str, Any] | None:
    return next((size["exporters"] for size in result["sizes"] if size["rows"] == rows), None)


def _of(size: Mapping[str, Any] | None, exporter: str, figure: str) -> Any:  # noqa: ANN401 - a number or None
    return size[exporter].get(figure) if size and exporter in size else None


def _scrapes(result: Result, title: str) -> Mapping[str, Any] | None:
    return next((each["exporters"] for each in result["scrapes"] if each["title"] == title), None)


def partial_scrapes(size: Mapping[str, Any]) -> int:
    """Count our scrapes that saw partial state at one size, those of the first loads included."""
    ours = [size["exporters"][name] for name in (OURS, DEFAULT_NAME)]
    return sum(each["partial_scrapes"] + each["first_load_partial_scrapes"] for each in ours)


def targets(result: Result) -> list[Target]:
    """Judge a result."""
    ten, thirty = _size(result, 10_000_000), _size(result, 30_000_000)
    one = _size(result, 1_000_000)
    small, wide = _scrapes(result, SMALL_TITLE), _scrapes(result, WIDE_TITLE)
    # Of fewer rows the highest rate would not even fill one day.
    by_rate = [_of(each["exporters"], OURS, "db_ms") for each in result["rates"] if each["rows"] >= 10_000_000]
    flatness = ratio(max(by_rate), min(by_rate)) if len(by_rate) > 1 else None
    p50 = {name: _of(small, name, "p50_ms") for name in (OURS, SQL_EXPORTER)}
    gzip_p50 = {name: _of(small, name, "gzip_p50_ms") for name in (OURS, SQL_EXPORTER)}
    wide_p50 = {name: _of(wide, name, "p50_ms") for name in (OURS, SQL_EXPORTER, "nginx")}
    rate = {name: _of(small, name, "per_second_one_core") for name in (OURS, SQL_EXPORTER)}
    return [
        Target(
            "Database time of a refresh, sql-exporter's against ours, 10M rows",
            ratio(_of(ten, SQL_EXPORTER, "db_ms"), _of(ten, OURS, "db_ms")), 1000, "higher", "times",
        ),
        Target(
            "The same, the hand-written exporter's, 30M rows",
            ratio(_of(thirty, HANDWRITTEN, "db_ms"), _of(thirty, OURS, "db_ms")), 2000, "higher", "times",
        ),
        Target("Refresh, wall p50, about 300 series, 10M rows", _of(ten, FEW_NAME, "wall_ms"), 10, "lower", "ms"),
        Target("Refresh, wall p50, about 300 series, 30M rows", _of(thirty, FEW_NAME, "wall_ms"), 15, "lower", "ms"),
        Target("The same, compact configuration, 10M rows", _of(ten, OURS, "wall_ms"), 10, "lower", "ms"),
        Target("The same, compact configuration, 30M rows", _of(thirty, OURS, "wall_ms"), 15, "lower", "ms"),
        Target("Database time of a refresh, 25k to 2.5M a day, largest to smallest, 10M rows", flatness, 2, "lower", "times"),
        Target(
            "Growth of a refresh's database time from 1M to 30M rows at one booking rate",
            ratio(_of(thirty, OURS, "db_ms"), _of(one, OURS, "db_ms")), 1.2, "lower", "times",
        ),
        Target("First load until today is right, 10M rows", _of(ten, OURS, "first_today_seconds"), 2, "lower", "s"),
        Target(
            "First load's database time against one refresh of sql-exporter, 10M rows",
            ratio(_of(ten, OURS, "first_load_db_ms"), _of(ten, SQL_EXPORTER, "db_ms")), 1.2, "lower", "times",
        ),
        Target(
            "Scrape p50 at about 300 series, sql-exporter's against ours",
            ratio(p50[SQL_EXPORTER], p50[OURS]), 6, "higher", "times"),
        Target("The same, gzip", ratio(gzip_p50[SQL_EXPORTER], gzip_p50[OURS]), 6, "higher", "times"),
        Target(
            "Scrape p50 at about 10,000 series, sql-exporter's against ours",
            ratio(wide_p50[SQL_EXPORTER], wide_p50[OURS]), 80, "higher", "times",
        ),
        Target("The same, ours against nginx's static file", ratio(wide_p50[OURS], wide_p50["nginx"]), 2, "lower", "times"),
        Target(
            "Scrapes a second at about 300 series on one core, ours against sql-exporter's",
            ratio(rate[OURS], rate[SQL_EXPORTER]), 25, "higher", "times",
        ),
        Target(
            "Scrape p99 during a refresh, 10M rows",
            _of(ten, DEFAULT_NAME, "scrape_during_refresh_p99_ms"), 5, "lower", "ms",
        ),
        Target(
            "Scrapes that saw partial state, all sizes",
            sum(map(partial_scrapes, result["sizes"])) if result["sizes"] else None, 0, "lower",
        ),
        Target("Memory with about 300 series, small ledger", _of(small, OURS, "rss_mb"), 70, "lower", "MB"),
        Target("Memory with 10M rows and 1.25M tasks", _of(ten, OURS, "rss_mb"), 140, "lower", "MB"),
    ]  # fmt: skip


def summary(result: Result) -> dict[str, Any]:
    """The figures of the largest size, flat, for machines."""
    size = result["sizes"][-1]
    found, small = size["exporters"], _scrapes(result, SMALL_TITLE)
    return {
        "rows": size["rows"],
        "rows_a_day": size["rate"],
        "refresh_db_ms": _of(found, OURS, "db_ms"),
        "peer_refresh_db_ms": _of(found, SQL_EXPORTER, "db_ms"),
        "query_exporter_refresh_db_ms": _of(found, QUERY_EXPORTER, "db_ms"),
        "handwritten_refresh_db_ms": _of(found, HANDWRITTEN, "db_ms"),
        "refresh_wall_p50_ms": _of(found, FEW_NAME, "wall_ms"),
        "refresh_wall_compact_configuration_p50_ms": _of(found, OURS, "wall_ms"),
        "refresh_wall_default_configuration_p50_ms": _of(found, DEFAULT_NAME, "wall_ms"),
        "first_load_seconds": _of(found, OURS, "first_load_seconds"),
        "first_today_seconds": _of(found, OURS, "first_today_seconds"),
        "first_load_db_ms": _of(found, OURS, "first_load_db_ms"),
        "scrape_p50_ms": _of(small, OURS, "p50_ms"),
        "peer_scrape_p50_ms": _of(small, SQL_EXPORTER, "p50_ms"),
        "scrape_gzip_p50_ms": _of(small, OURS, "gzip_p50_ms"),
        "peer_scrape_gzip_p50_ms": _of(small, SQL_EXPORTER, "gzip_p50_ms"),
        "scrapes_per_second": _of(small, OURS, "per_second_one_core"),
        "peer_scrapes_per_second": _of(small, SQL_EXPORTER, "per_second_one_core"),
        "scrape_during_refresh_p99_ms": _of(found, DEFAULT_NAME, "scrape_during_refresh_p99_ms"),
        "checked_scrapes": _of(found, DEFAULT_NAME, "scrapes"),
        "partial_scrapes": partial_scrapes(size),
        "peer_checked_scrapes": _of(found, SQL_EXPORTER, "scrapes"),
        "peer_partial_scrapes": _of(found, SQL_EXPORTER, "partial_scrapes"),
        "rss_mb": _of(found, OURS, "rss_mb"),
        "rss_small_ledger_mb": _of(small, OURS, "rss_mb"),
        "peer_rss_mb": _of(found, SQL_EXPORTER, "rss_mb"),
    }


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table in Markdown; the first column is text, the others are aligned right."""
    lines = [head, ["---", *["---:"] * (len(head) - 1)], *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def size_name(rows: int) -> str:
    """Name a number of rows: 100k, 2.5M."""
    return f"{rows / 1_000_000:g}M" if rows >= 1_000_000 else f"{rows / 1000:g}k"


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
refresh is all that was done between two swaps of the snapshot, the walk included; a peer's is what lies between two rests.

While refreshes are measured the platform books at the rate given, and ours runs at an interval of INTERVAL s. *{OURS}* is
the compact configuration (every provider and quest, models and layers folded, top 5: what the peers answer and more),
*{FEW_NAME}* one of about 300 series (top 5, two quests, two providers), *{DEFAULT_NAME}* the one that ships, both refreshed
every second. Scrapes are measured by wrk: latencies over one connection, rates over eight, with the server on one core and wrk
on the other. nginx serves our bytes as a static file. Memory is VmRSS, in 10^6 bytes."""

_WATCHED = """\
Scraped one after the other while fifty charges a second are booked, over several refreshes. A scrape is partial when its
parts do not agree: when the providers' spend of a window is not the quests' (ours also: the models' and the days' spend, and
tokens), or a part is missing."""


def _by_size(result: Result, figure: str) -> str:
    names = list(dict.fromkeys(name for size in result["sizes"] for name in size["exporters"]))
    head = ["", *(f"{size_name(size['rows'])} rows" for size in result["sizes"])]
    rows = [[name, *(number(_of(size["exporters"], name, figure)) for size in result["sizes"])] for name in names]
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
        ours, peer = size["exporters"][OURS], _of(size["exporters"], SQL_EXPORTER, "db_ms")
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
                times = (found["scrape_p99_ms"], found["scrape_during_refresh_p99_ms"])
                rows.append([size_name(size["rows"]), name, *map(number, (*first, *counts, *times))])
    return table([*head, "p99, ms", "p99 during a refresh, ms"], rows)


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
