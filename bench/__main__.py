"""`python -m bench`: measure, tell, and write down."""

from __future__ import annotations

import json
import signal
import sys
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from functools import partial
from importlib import metadata
from pathlib import Path
from statistics import fmean
from typing import Any, NoReturn, TypedDict, Unpack

import click
import psycopg

import exporter
from bench import database, plot, report, tools
from bench.errors import BenchError
from bench.exporters import OURS, PEERS
from bench.measuring import Bench
from bench.progress import Progress
from bench.refreshing import Plan, say
from exporter.errors import ExporterError

FOLDER = Path(__file__).parent
RESULTS, PLOT, PROGRESS = FOLDER / "RESULTS.md", FOLDER / "refresh-cost.svg", FOLDER / "progress.json"
QUIET_SHARE = 0.1
"""Up to which share of the machine others may be at work for the figures to be worth publishing."""

PARTS = ("answers", "scrapes", "refreshes", "conditions", "lateness")
"""What a run consists of. Each part can be measured alone."""

_UNITS = {"k": 1_000, "m": 1_000_000}


def parse_rows(text: str) -> tuple[int, ...]:
    """Read `100k,1M` as numbers of rows, in rising order.

    Raises:
        ValueError: the text is no such list.
    """
    found = set()
    for word in text.lower().split(","):
        digits, unit = (word[:-1], _UNITS[word[-1]]) if word[-1:] in _UNITS else (word, 1)
        if not digits.isdecimal() or not 1000 <= int(digits) * unit <= 1_000_000_000:
            raise ValueError(f"{word!r} is no number of rows such as 100k or 10M")
        found.add(int(digits) * unit)
    return tuple(sorted(found))


def _rows(_context: click.Context, _parameter: click.Parameter, value: str | None) -> tuple[int, ...] | None:
    try:
        return parse_rows(value) if value else None
    except ValueError as error:
        raise click.BadParameter(str(error)) from None


def _only(_context: click.Context, _parameter: click.Parameter, value: str | None) -> frozenset[str]:
    parts = frozenset(value.split(",")) if value else frozenset(PARTS)
    if unknown := sorted(parts.difference(PARTS)):
        raise click.BadParameter(f"{', '.join(unknown)} is no part; the parts are {', '.join(PARTS)}")
    return parts


class _Options(TypedDict):
    """The values of the options."""

    rows: tuple[int, ...] | None
    only: frozenset[str]
    out: Path | None
    interval: float
    quick: bool
    even_if_busy: bool


@click.command(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.option(
    "--rows",
    envvar="ROWS",
    callback=_rows,
    help="Sizes of the cost ledger, such as 100k,1M,10M,30M. One size alone leaves out other booking rates, and scrapes of"
    " more than about 300 series. Without it: everything, at 100k, 1M and 10M rows.",
)
@click.option(
    "--only",
    envvar="ONLY",
    callback=_only,
    help=f"Parts to measure, such as conditions,lateness; of {', '.join(PARTS)}. Nothing is written to bench/ then.",
)
@click.option("--out", envvar="OUT", type=click.Path(path_type=Path, dir_okay=False), help="Write the figures as JSON.")
@click.option(
    "--interval", type=click.FloatRange(1), default=15.0, show_default=True, help="Seconds between our refreshes."
)
@click.option("--quick", is_flag=True, help="A trial with a few repetitions; nothing is written to bench/.")
@click.option("--even-if-busy", is_flag=True, help="Write bench/RESULTS.md though others were at work on the machine.")
def main(**given: Unpack[_Options]) -> None:
    """Measure this exporter and its peers on the same PostgreSQL, and write bench/RESULTS.md and its plot."""
    rows, only, out, quick = given["rows"], given["only"], given["out"], given["quick"]
    alone = rows is not None and len(rows) == 1
    few: dict[str, Any] = {}
    if quick:
        few = {"refreshes": 3, "peer_refreshes": 2, "scrape_seconds": 1, "watch_seconds": 4, "edits": 1}
        few |= {"quiet_seconds": 5, "updates_seconds": 20, "cold_refreshes": 1, "late_hours": 0.25}
    plan = Plan(rows=rows or Plan.rows, interval_seconds=given["interval"], **few)
    tools.install()
    tools.query_exporter()
    result = measure(plan, only, everything=not alone)
    text = report.markdown(result)
    click.echo(text)
    if out:
        out.write_text(json.dumps({**report.summary(result), "details": result}, indent=2) + "\n", "utf-8")
        say(f"figures are in {out}")
    if result["busy_share"] > QUIET_SHARE:
        say(f"the machine was not quiet: others took {result['busy_share']:.0%} of it; the figures are not comparable")
    if (
        not alone
        and len(only) == len(PARTS)
        and not quick
        and (given["even_if_busy"] or result["busy_share"] <= QUIET_SHARE)
    ):
        RESULTS.write_text(text, "utf-8")
        PLOT.write_text(plot.refresh_cost(lines(result)), "utf-8")
        say(f"written: {RESULTS} and {PLOT}")


def measure(plan: Plan, parts: frozenset[str], *, everything: bool) -> dict[str, Any]:
    """Measure parts at the plan's sizes; with `everything` also other rates of booking, and larger expositions."""
    with database.serve() as server:
        bench = Bench(server, plan)
        about = {
            "date": datetime.now(UTC).strftime("%Y-%m-%d"),
            "machine": tools.machine(),
            "versions": versions(server.version()),
            "interval_seconds": plan.interval_seconds,
        }
        progress = Progress(PROGRESS, {**about, "plan": vars(plan), "parts": sorted(parts), "everything": everything})
        busy: list[float] = []

        def step(name: str, work: Callable[[], Any]) -> Any:  # noqa: ANN401 - what the step finds
            """Measure, and note how busy the machine was in between."""
            kept: dict[str, Any] = progress.step(name, lambda: {"found": work(), "busy": bench.take_busy()})
            busy.extend(kept["busy"])
            return kept["found"]

        found = {
            "answers": _answers(bench, step) if "answers" in parts else {},
            "scrapes": _scrapes(bench, step, everything=everything) if "scrapes" in parts else [],
            **_refreshes(bench, plan, step, parts, everything=everything),
            **_conditions(bench, plan, step, parts),
            "lateness": [],
        }
        if "lateness" in parts:
            found["lateness"] = [
                step(f"late rows, {'an outage' if outage else 'no outage'}", partial(bench.lateness, outage=outage))
                for outage in (False, True)
            ]
        progress.end()
        return {**about, "busy_share": fmean(busy) if busy else 0.0, "sittings": progress.sittings, **found}


_Step = Callable[[str, Callable[[], Any]], Any]


def _answers(bench: Bench, step: _Step) -> dict[str, list[str]]:
    answers: dict[str, list[str]] = step("answers", bench.answers)
    for peer, differences in answers.items():
        if differences:
            say(f"{peer} does not answer as we do, {len(differences)} times; for one, {differences[0]}")
    return answers


def _scrapes(bench: Bench, step: _Step, *, everything: bool) -> list[dict[str, Any]]:
    scrapes = [step("about 300 series", bench.small_scrapes)]
    if everything:
        scrapes += [step("about 10,000 series", bench.wide_scrapes), step("demo", bench.demo_scrapes)]
    return scrapes


def _refreshes(bench: Bench, plan: Plan, step: _Step, parts: frozenset[str], *, everything: bool) -> dict[str, Any]:
    if "refreshes" not in parts:
        return {"sizes": [], "rates": []}
    sizes = [step(f"{rows} rows", partial(bench.refreshes, rows, plan.rate, peers=True)) for rows in plan.rows]
    rates = []
    if everything:
        largest = min(plan.rows[-1], 10_000_000)
        rates = [size for size in sizes if size["rows"] == largest]
        rates += [step(f"{rate} a day", partial(bench.refreshes, largest, rate, peers=False)) for rate in plan.rates]
    return {"sizes": sizes, "rates": rates}


def _conditions(bench: Bench, plan: Plan, step: _Step, parts: frozenset[str]) -> dict[str, Any]:
    if "conditions" not in parts:
        return {"old_ledger": None, "conditions": []}
    return {
        "old_ledger": step("few rows over many days", bench.conditions.old_ledger),
        "conditions": [step(f"{rows} rows, conditions", partial(bench.conditions.at, rows)) for rows in plan.rows],
    }


def versions(postgresql: str) -> dict[str, str]:
    """Return the version of everything that was measured or measured with."""
    query_exporter = tools.version([str(tools.query_exporter()), "--version"])
    return {
        OURS: exporter.__version__,
        "sql-exporter": f"{tools.package_version('prometheus-sql-exporter')} (Debian)",
        "query-exporter": query_exporter.split()[-1],
        "handwritten": f"prometheus_client {metadata.version('prometheus-client')}, psycopg {psycopg.__version__}",
        "PostgreSQL": postgresql,
        "nginx": tools.version([tools.program("nginx"), "-v"]).rpartition("/")[2],
        "wrk": tools.package_version("wrk"),
    }


def lines(result: Mapping[str, Any]) -> dict[str, list[tuple[float, float]]]:
    """Return the plot's lines: rows and database time, by exporter."""
    return {
        name: [
            (size["rows"], size["exporters"][name]["db_ms"]) for size in result["sizes"] if name in size["exporters"]
        ]
        for name in (OURS, *PEERS)
    }


def _end(number: int, _frame: object) -> NoReturn:
    """End as Ctrl-C does, so that everything that was started is stopped."""
    raise KeyboardInterrupt(number)


if __name__ == "__main__":
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _end)
    try:
        main(standalone_mode=False)
    except (BenchError, ExporterError, psycopg.Error) as error:
        click.echo(f"bench: {error}", err=True)
        sys.exit(1)
    except click.exceptions.Abort:
        click.echo("bench: stopped; everything that was started has ended", err=True)
        sys.exit(130)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
