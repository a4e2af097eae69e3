"""`ledger-exporter reconcile`: every published figure beside the oracle's."""

from __future__ import annotations

import sys
from datetime import timedelta
from pathlib import Path
from typing import Literal, TypedDict, Unpack

import click

from exporter import client, config_file, logs, options, terminal
from exporter.app import opened_sources
from exporter.client import Client
from exporter.config import Config, parse_duration
from exporter.options import converted
from exporter.reconcile import output
from exporter.reconcile.comparison import Comparison, Verdict, lost, total
from exporter.reconcile.published import ExporterPlace, Place, PrometheusPlace
from exporter.reconcile.reconciling import reconcile as compare

option = options.of_command("reconcile")

_HELP = """Say whether every published figure is what the ledgers say.

The oracle reads the ledgers whole, by other and simpler queries than refreshes do. In the same snapshot of each database
the incremental engine loads them as `serve` does; then every sample, and the exact sums behind it, must be equal.

With --url and --prometheus-url, what a running exporter publishes and what Prometheus has stored of it is compared as
well. It is read before and after the ledgers; a figure that changes in between, and is neither time what they say, is moving.
Counters of these (ledger_spend_usd_total and its companions) are not compared: they begin with the process, and what they grow
by depends on when each refresh has looked. The gauges of the same charges are.

Reading ledgers whole takes as long as the oldest row is far away: rather ask a replica, or at night.

\b
Examples:
  ledger-exporter reconcile
  ledger-exporter reconcile --url=http://127.0.0.1:9851
  ledger-exporter reconcile --url=http://127.0.0.1:9851 --prometheus-url=http://127.0.0.1:9090
  ledger-exporter reconcile --prometheus-url=http://127.0.0.1:9090 --prometheus-matchers='job="ledger-exporter"'

Exit codes: 0 no difference; 1 a difference, or something could not be read; 2 the configuration, or an option, cannot be
used; 130 interrupted."""


class _Options(TypedDict):
    """The values of the command's options."""

    config_path: Path
    urls: tuple[str, ...]
    http_config: Path | None
    prometheus_url: str | None
    prometheus_matchers: str
    prometheus_http_config: Path | None
    wait: timedelta
    timeout: timedelta
    form: Literal["text", "json"]


@click.command("reconcile", help=_HELP)
@options.config_file()
@options.server(
    option,
    "--url",
    "urls",
    multiple=True,
    help="A running exporter, of the same configuration. Repeatable (in the environment: separated by spaces).",
)
@options.server(
    option, "--prometheus-url", "prometheus_url", prefix="prometheus-", help="A Prometheus that scrapes one."
)
@option("--prometheus-matchers", default="", help='Which of its series, if there are others: job="ledger-exporter".')
@option(
    "--wait",
    default="2m",
    metavar="DURATION",
    callback=converted(parse_duration),
    help="How long to wait for a refresh.",
)
@option(
    "--timeout",
    default="10m",
    metavar="DURATION",
    callback=converted(parse_duration),
    help="How long reading a source may take.",
)
@option("--output", "form", type=click.Choice(["text", "json"]), default="text", help="For people, or for programs.")
def reconcile(**given: Unpack[_Options]) -> None:
    """Run the command."""
    logs.configure("error", "logfmt")
    config = config_file.load(given["config_path"])
    places: list[Place] = [ExporterPlace.at(url, Client(client.load(given["http_config"]))) for url in given["urls"]]
    if given["prometheus_url"] is not None:
        asked = Client(client.load(given["prometheus_http_config"]))
        places.append(PrometheusPlace(given["prometheus_url"], asked, given["prometheus_matchers"]))
    comparisons = _compare(config.with_timeout(given["timeout"]), places, given["wait"].total_seconds())
    code = 1 if total(comparisons)[Verdict.DIFFERENT] or lost(comparisons) else 0
    if given["form"] == "json":
        click.echo(output.as_json(comparisons, code))
    else:
        click.echo(output.as_text(comparisons), color=terminal.in_colour(sys.stdout))
    sys.exit(code)


def _compare(config: Config, places: list[Place], wait_seconds: float) -> list[Comparison]:
    status = terminal.StatusLine()
    with opened_sources(config) as sources:
        try:
            return compare(config, sources, places, wait_seconds, status)
        finally:
            status.end()
