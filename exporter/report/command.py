"""`ledger-exporter report`: the five views in the terminal."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Literal, TypedDict, Unpack

import click
from rich.console import Console

from exporter import client, config_file, logs, options, terminal
from exporter.app import opened_sources
from exporter.client import Client
from exporter.progress import Progress
from exporter.report import figures, machine, source, text
from exporter.report import quests as named
from exporter.report.source import Told
from exporter.sums import WINDOWS

option = options.of_command("report")

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
  ledger-exporter report --window=today --quest="De Novo Enzyme Design"
\b
Ask the exporter that runs already, also one that wants a password:
  ledger-exporter report --from-url=http://127.0.0.1:9851
  ledger-exporter report --from-url=https://ledgers.example.org --http.config.file=client.yml
\b
For a program, or a spreadsheet, where labels that look like formulas have a ' in front:
  ledger-exporter report --output=json | jq .waste.usd
  ledger-exporter report --window=30d --output=csv > resources.csv

Exit codes: 0 everything could be read; 1 something could not, or not wholly; 2 the configuration, or an option, cannot be
used; 130 interrupted."""


class _Options(TypedDict):
    """The values of the command's options."""

    config_path: Path
    window: str
    quests: tuple[str, ...]
    top: int
    form: Literal["text", "json", "csv"]
    url: str | None
    http_config: Path | None


@click.command("report", help=HELP)
@options.config_file()
@option("--window", type=click.Choice(WINDOWS), default="7d", help="The days that are told, today included.")
@option("--quest", "quests", multiple=True, metavar="NAME", help="Only this quest, by name or id. Repeatable.")
@option("--top", type=click.IntRange(1, 1000), default=15, help="How many tasks and quests are shown.")
@option(
    "--output", "form", type=click.Choice(["text", "json", "csv"]), default="text", help="For people, or for programs."
)
@options.server(option, "--from-url", "url", help="Read a running exporter instead.")
def report(**given: Unpack[_Options]) -> None:
    """Show the five views."""
    logs.configure("error", "logfmt")
    url, quests, window, form = given["url"], given["quests"], given["window"], given["form"]
    if url is None:
        told = _from_ledgers(given["config_path"])
    else:
        told = source.from_exporter(Client(client.load(given["http_config"])), url)
    samples = told.samples
    if quests:
        samples = samples.of_quests(named.labels(samples, quests))
    found = figures.report(samples, window, of_some_quests=bool(quests), reasons=told.reasons)
    if form == "json":
        click.echo(machine.as_json(found))
    elif form == "csv":
        click.echo(machine.as_csv(samples, window, of_some_quests=bool(quests)))
        for problem in found.problems:
            click.echo(f"ledger-exporter: {problem}", err=True)
    else:
        text.draw(found, _console(), given["top"])
    sys.exit(1 if found.problems else 0)


def _from_ledgers(config_path: Path) -> Told:
    config = config_file.load(config_path)
    with opened_sources(config) as sources:
        return source.from_ledgers(config, sources, Progress("Loading the ledgers"))


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
