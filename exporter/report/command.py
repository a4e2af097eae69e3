"""`ledger-exporter report`: the five views in the terminal."""

from __future__ import annotations

import os
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import Literal

import click
from rich.console import Console

from exporter import client, config_file, logs, options, terminal
from exporter.app import open_sources
from exporter.client import Client, check_url
from exporter.errors import ExporterError
from exporter.options import converted, option
from exporter.parts import WINDOWS
from exporter.progress import Progress
from exporter.report import figures, machine, source, text
from exporter.report.samples import Samples
from exporter.views import allocation

_PLAIN_WIDTH = 120

HELP = """\
Show the five views in the terminal: allocation, efficiency, utilization, providers, waste.

The figures are those of the metrics: read from the ledgers as `serve` reads them, or from a running exporter, which costs the
database nothing. Where the output is no terminal it is plain; NO_COLOR turns colours off.

\b
How are we doing this week?
  ledger-exporter report
\b
One quest today, by its name or id:
  ledger-exporter report --window=today --quest="Enzyme Design"
\b
Ask the exporter that runs already:
  ledger-exporter report --from-url=http://127.0.0.1:9851
\b
For a program, or a spreadsheet:
  ledger-exporter report --output=json | jq .waste.usd
  ledger-exporter report --window=30d --output=csv > resources.csv

Exit codes: 0; 1 where a ledger could not be read; 2 where the configuration cannot be used."""


@click.command("report", help=HELP)
@options.config_file()
@option("--window", type=click.Choice(WINDOWS), default="7d", help="The days that are told, today included.")
@option("--quest", "quests", multiple=True, metavar="NAME", help="Only this quest, by name or id. Repeatable.")
@option("--top", type=click.IntRange(1, 1000), default=15, help="How many tasks and quests are shown.")
@option(
    "--output", "form", type=click.Choice(["text", "json", "csv"]), default="text", help="For people, or for programs."
)
@option(
    "--from-url",
    "url",
    default=None,
    metavar="URL",
    callback=converted(check_url),
    help="Read a running exporter instead.",
)
@option(
    "--http.config.file",
    "http_config",
    type=click.Path(path_type=Path, dir_okay=False),
    default=None,
    help="What it wants to see, as Prometheus's HTTP clients.",
)
def report(  # noqa: PLR0913, PLR0917 - one parameter an option
    config_path: Path,
    window: str,
    quests: tuple[str, ...],
    top: int,
    form: Literal["text", "json", "csv"],
    url: str | None,
    http_config: Path | None,
) -> None:
    """Show the five views."""
    logs.configure("error", "logfmt")
    samples = _from_ledgers(config_path) if url is None else source.from_exporter(Client(client.load(http_config)), url)
    if quests:
        samples = samples.of_quests(_labels(samples, quests))
    found = figures.report(samples, window, of_some_quests=bool(quests))
    if form == "json":
        click.echo(machine.as_json(found))
    elif form == "csv":
        click.echo(machine.as_csv(samples, window, of_some_quests=bool(quests)))
    else:
        text.draw(found, _console(), top)
    sys.exit(1 if found.problems else 0)


def _from_ledgers(config_path: Path) -> Samples:
    config = config_file.load(config_path)
    with ExitStack() as stack:
        sources = open_sources(config)
        for opened in sources.values():
            stack.callback(opened.close)
        return source.from_ledgers(config, sources, Progress("Loading the ledgers"))


def _labels(samples: Samples, quests: tuple[str, ...]) -> set[str]:
    """Return the labels of quests given by label or id, whatever their case.

    Raises:
        ExporterError: there is no such quest.
    """
    quest_info = [labels for labels, _ in samples.of(allocation.INFO)]
    ids = {labels["quest_id"].casefold(): labels["quest"] for labels in quest_info if labels["quest_id"]}
    known = ids | {labels["quest"].casefold(): labels["quest"] for labels in quest_info}
    unknown = [quest for quest in quests if quest.casefold() not in known]
    if unknown:
        names = ", ".join(sorted(set(known.values()))) or "none"
        raise ExporterError(f"there is no quest {', '.join(map(repr, unknown))}; there are: {names}")
    return {known[quest.casefold()] for quest in quests}


def _console() -> Console:
    """Return where to draw: a terminal with its own width, anything else as wide as COLUMNS says."""
    columns = os.environ.get("COLUMNS", "")
    return Console(
        file=sys.stdout,
        width=None if sys.stdout.isatty() else int(columns) if columns.isdecimal() else _PLAIN_WIDTH,
        no_color=not terminal.in_colour(sys.stdout),
        highlight=False,
        emoji=False,
        markup=False,
        legacy_windows=False,
    )
