"""What the exporter is to reach, and whether a result does. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from bench.exporters import HANDWRITTEN, OURS, SQL_EXPORTER
from bench.figures import (
    DEFAULT_NAME,
    FEW_NAME,
    SMALL_TITLE,
    WIDE_TITLE,
    Result,
    conditions_of,
    number,
    of,
    partial_scrapes,
    ratio,
    scrapes_of,
    size_of,
)


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


def targets(result: Result) -> list[Target]:
    """Judge a result."""
    return [*_refresh(result), *_first_load(result), *_scrapes(result), *_changes(result), *_memory(result)]


def _refresh(result: Result) -> Iterator[Target]:
    one, ten, thirty = (size_of(result, millions * 1_000_000) for millions in (1, 10, 30))
    for title, size, bound in (("10M", ten, 3000), ("1M", one, 400)):
        yield Target(
            f"Database time of a refresh, sql-exporter's against ours, {title} rows",
            ratio(of(size, SQL_EXPORTER, "db_ms"), of(size, OURS, "db_ms")), bound, "higher", "times",
        )  # fmt: skip
    yield Target(
        "The same, the hand-written exporter's, 30M rows",
        ratio(of(thirty, HANDWRITTEN, "db_ms"), of(thirty, OURS, "db_ms")), 2000, "higher", "times",
    )  # fmt: skip
    yield Target(
        "Growth of a refresh's database time from 1M to 30M rows at one booking rate",
        ratio(of(thirty, OURS, "db_ms"), of(one, OURS, "db_ms")), 1.15, "lower", "times",
    )  # fmt: skip
    # Of fewer rows the highest rate would not even fill one day.
    rates = {each["rate"]: each["exporters"] for each in result["rates"] if each["rows"] >= 10_000_000}
    by_rate = [of(each, OURS, "db_ms") for each in rates.values()]
    yield Target(
        "Database time of a refresh, 25k to 2.5M a day, largest to smallest, 10M rows",
        ratio(max(by_rate), min(by_rate)) if len(by_rate) > 1 else None, 2, "lower", "times",
    )  # fmt: skip
    yield Target("Refresh, wall p50, about 300 series, 10M rows", of(ten, FEW_NAME, "wall_ms"), 18, "lower", "ms")
    yield Target("The same, compact configuration, 10M rows", of(ten, OURS, "wall_ms"), 45, "lower", "ms")
    yield Target("The same at 2.5M charges a day", of(rates.get(2_500_000), OURS, "wall_ms"), 50, "lower", "ms")
    quiet = [each["statements"]["quiet"] for each in result["conditions"]]
    yield Target(
        "Statements of a quiet refresh of three ledgers, verification included, all sizes",
        max(quiet, default=None), 20, "lower",
    )  # fmt: skip


def _first_load(result: Result) -> Iterator[Target]:
    ten = size_of(result, 10_000_000)
    yield Target("First load until today is right, 10M rows", of(ten, OURS, "first_today_seconds"), 2, "lower", "s")
    yield Target("First load until all is right, 10M rows", of(ten, OURS, "first_load_seconds"), 45, "lower", "s")
    yield Target(
        "First load's database time against one refresh of sql-exporter, 10M rows",
        ratio(of(ten, OURS, "first_load_db_ms"), of(ten, SQL_EXPORTER, "db_ms")), 0.4, "lower", "times",
    )  # fmt: skip


def _scrapes(result: Result) -> Iterator[Target]:
    small, wide = scrapes_of(result, SMALL_TITLE), scrapes_of(result, WIDE_TITLE)
    yield Target(
        "Scrape p50 at about 300 series, sql-exporter's against ours",
        ratio(of(small, SQL_EXPORTER, "p50_ms"), of(small, OURS, "p50_ms")), 6, "higher", "times",
    )  # fmt: skip
    yield Target(
        "The same, gzip",
        ratio(of(small, SQL_EXPORTER, "gzip_p50_ms"), of(small, OURS, "gzip_p50_ms")), 6, "higher", "times",
    )  # fmt: skip
    yield Target(
        "Scrape p50 at about 10,000 series, sql-exporter's against ours",
        ratio(of(wide, SQL_EXPORTER, "p50_ms"), of(wide, OURS, "p50_ms")), 80, "higher", "times",
    )  # fmt: skip
    yield Target(
        "The same, ours against nginx's static file",
        ratio(of(wide, OURS, "p50_ms"), of(wide, "nginx", "p50_ms")), 2, "lower", "times",
    )  # fmt: skip
    yield Target(
        "Scrapes a second at about 300 series on one core, ours against sql-exporter's",
        ratio(of(small, OURS, "per_second_one_core"), of(small, SQL_EXPORTER, "per_second_one_core")), 25, "higher", "times",
    )  # fmt: skip
    ten = size_of(result, 10_000_000)
    during = of(ten, DEFAULT_NAME, "scrape_during_refresh_p99_ms")
    yield Target("Scrape p99 during a refresh, 10M rows", during, 5, "lower", "ms")
    during = of(ten, DEFAULT_NAME, "first_load_scrape_p99_ms")
    yield Target("Scrape p99 during the first load, 10M rows", during, 5, "lower", "ms")
    partial = sum(map(partial_scrapes, result["sizes"])) if result["sizes"] else None
    yield Target("Scrapes that saw partial state, all sizes", partial, 0, "lower")


def _changes(result: Result) -> Iterator[Target]:
    old, longest = result["old_ledger"], "longest_seconds"
    yield Target("Longest time until an edit shows, 4k rows over 370 days", old and old[longest], 60, "lower", "s")
    for title, rows, bound in (("100k", 100_000, 60), ("10M", 10_000_000, 300)):
        found = conditions_of(result, rows)
        yield Target(
            f"Longest time until an edit shows, {title} rows", found and found["edits"][longest], bound, "lower", "s"
        )
    for title, side, bound in (("exporter", "exporter", 5), ("server", "server", 2)):
        shares = [100 * each["updates"]["busy"][side] for each in result["conditions"]]
        yield Target(
            f"Share of one core while an unrelated column is updated, {title}, all sizes",
            max(shares, default=None), bound, "lower", "%",
        )  # fmt: skip
    for title, outage in (("", False), (", an outage of 10 minutes in between", True)):
        missing = [each["missing"] for each in result["lateness"] if each["outage"] == outage]
        yield Target(
            f"Rows missing 60 s after the last booking, text ids{title}", max(missing, default=None), 0, "lower", "rows"
        )
    most = [each["most_missing"] for each in result["lateness"]]
    yield Target(
        "Rows missing at any refresh, booked a minute before it or earlier", max(most, default=None), 0, "lower", "rows"
    )


def _memory(result: Result) -> Iterator[Target]:
    small, ten, thirty = scrapes_of(result, SMALL_TITLE), size_of(result, 10_000_000), size_of(result, 30_000_000)
    yield Target("Memory with about 300 series, small ledger", of(small, OURS, "rss_mb"), 70, "lower", "MB")
    yield Target("Memory with few series, 10M rows, 1.25M tasks", of(ten, FEW_NAME, "rss_mb"), 130, "lower", "MB")
    yield Target("The same, 30M rows", of(thirty, FEW_NAME, "rss_mb"), 300, "lower", "MB")
