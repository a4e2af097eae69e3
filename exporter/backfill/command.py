"""`ledger-exporter backfill`: the past as series, to a file or over HTTP."""

from __future__ import annotations

import re
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, ClassVar

import click

from exporter import config_file, logs, options
from exporter.app import open_sources
from exporter.backfill.filling import fill
from exporter.backfill.journal import Done, Journal
from exporter.backfill.output import Output
from exporter.backfill.past import Past
from exporter.backfill.period import Steps
from exporter.backfill.request import STANDARD_OUTPUT, Request
from exporter.config import Config, parse_duration
from exporter.options import converted
from exporter.progress import Progress
from exporter.views import METRICS

option = options.of_command("backfill")

_MEGABYTE = 1_000_000
_INTERRUPTED = 130

HELP = """\
Write what would have been scraped before there was an exporter.

The ledgers know the past. For each step of a period this computes every gauge and counter as the exporter would have
published it then, and writes it with its instant. Rankings, the metrics by day, and what only a running exporter could know
of itself are left out. Impact and recorded spend are as known today. Counters begin at 0.

An interrupted run goes on where it stopped when the same command is given again: how far it is stands in a file beside the
output, or where --state.file says.

\b
The last 60 days for Prometheus, with the labels its scrapes have:
  ledger-exporter backfill --output=history.om \\
    --label=job=ledger-exporter --label=instance=127.0.0.1:9851
  promtool tsdb create-blocks-from --max-block-duration=720h \\
    openmetrics history.om /var/lib/prometheus

\b
The same where there is no room for one large file: a file a day, and a block made of each:
  ledger-exporter backfill --output=history/ \\
    --label=job=ledger-exporter --label=instance=127.0.0.1:9851
  for day in history/*.om; do
    promtool tsdb create-blocks-from --max-block-duration=720h \\
      openmetrics $day /var/lib/prometheus && rm $day
  done

\b
A year by the hour, straight into VictoriaMetrics:
  ledger-exporter backfill --from=365d --step=1h \\
    --to-url=http://127.0.0.1:8428/api/v1/import

\b
Up to the first scrape, by remote write, to a Prometheus that takes samples out of order:
  ledger-exporter backfill --from=2026-04-01 --to=2026-06-01T09:30:00Z \\
    --to-url=http://127.0.0.1:9090/api/v1/write

\b
Into Mimir as a tenant, from a container with a volume that may be written to:
  ledger-exporter backfill --to-url=https://mimir.example.org/api/v1/push \\
    --http.config.file=mimir.yml --header=X-Scope-OrgID:research \\
    --state.file=/data/backfill.state

Exit codes: 0 all of it is written; 1 a ledger cannot be read or the output not be written; 2 the configuration or an
option cannot be used; 130 it was stopped by Ctrl-C. After 1 and 130 the same command goes on.
"""


class _Pair(click.ParamType):  # type: ignore[type-arg] # generic in the newest click only
    """A name and a value; in the environment one a line."""

    name = "pair"
    envvar_list_splitter: ClassVar[str] = "\n"

    def __init__(self, pattern: str, example: str, taken: frozenset[str] = frozenset()) -> None:
        """`pattern` has the groups `name` and `value`; names that are `taken` are refused."""
        self._pattern = re.compile(pattern)
        self._example = example
        self._taken = taken

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, str]:  # noqa: ANN401 - click's own
        """Split a pair. What is refused is not repeated: it may be a secret."""
        pair = self._pattern.fullmatch(str(value).strip())
        if pair is None:
            self.fail(f"must be {self._example}", param, ctx)
        if pair["name"] in self._taken:
            self.fail(f"{pair['name']} is a label that the metrics have themselves", param, ctx)
        return pair["name"], pair["value"]


_LABEL = _Pair(
    r"(?P<name>(?!__)[a-zA-Z_][a-zA-Z0-9_]*)=\s*(?P<value>[^\x00-\x1f\x7f\ud800-\udfff]*)",
    "NAME=VALUE, such as job=ledger-exporter",
    frozenset(label for metric in METRICS for label in metric.labels),
)
_HEADER = _Pair(
    r"(?P<name>[!#$%&'*+.^_`|~0-9A-Za-z-]+):\s*(?P<value>[\t -~\xa0-\xff]*)",
    "NAME:VALUE, such as X-Scope-OrgID:research, without control characters",
)


@click.command("backfill", help=HELP)
@options.config_file()
@option("--from", "begin", default="60d", metavar="WHEN", help="A date, a timestamp, or how long ago.")
@option(
    "--to",
    "end",
    default=None,
    metavar="WHEN",
    help="The same. By default now, or three hours ago for files: Prometheus holds what is newer in memory.",
)
@option(
    "--step",
    default="1h",
    metavar="DURATION",
    callback=converted(parse_duration),
    help="From instant to instant; more than 5m leaves gaps in graphs of Prometheus.",
)
@option(
    "--output",
    default=None,
    metavar="PATH",
    help="A file of OpenMetrics; a folder, with a file for each day, where it ends with /; or - for standard output.",
)
@options.server(
    option,
    "--to-url",
    "url",
    help="Send it there instead, by remote write.",
)
@option(
    "--header", "headers", type=_HEADER, multiple=True, metavar="NAME:VALUE", help="An HTTP header to send. Repeatable."
)
@option(
    "--label",
    "labels",
    type=_LABEL,
    multiple=True,
    metavar="NAME=VALUE",
    help="A label for every series: the job and the instance that scrapes have. Repeatable.",
)
@option(
    "--state.file",
    "state",
    type=click.Path(path_type=Path, dir_okay=False),
    default=None,
    help="Where to note how far it is; by default beside the output, or in the working folder.",
)
@option(
    "--timeout",
    default="1m",
    metavar="DURATION",
    callback=converted(parse_duration),
    help="How long reading a chunk of a ledger may take, 20,000 rows; without an index on its instant each reads it all.",
)
def backfill(config_path: Path, **asked: Any) -> None:  # noqa: ANN401 - click has converted each
    """Write the past as series."""
    request = Request(**asked)
    if (request.output is None) == (request.url is None):
        raise click.UsageError("needs one of --output and --to-url")
    if request.url is not None and request.url.partition("?")[0].endswith("/import"):
        raise click.UsageError("--to-url sends remote write: VictoriaMetrics takes it at /api/v1/write, not at /import")
    logs.configure("warn", "logfmt")
    try:
        with ExitStack() as stack:
            _run(config_file.load(config_path), request, stack)
    except KeyboardInterrupt:
        raise click.exceptions.Exit(_INTERRUPTED) from None


@dataclass(frozen=True)
class _Watch:
    """Notes what is written in the journal, and shows how far it is."""

    steps: Steps
    output: Output
    journal: Journal | None
    progress: Progress

    def wrote(self, done: Done) -> None:
        """Note what is written for good."""
        if self.journal:
            self.journal.note(done)

    def reached(self, number: int) -> None:
        """Show the day that is done."""
        day = self.steps.day(number - 1)
        self.progress.show(number / self.steps.count, f"{day} {self.output.position / _MEGABYTE:,.0f} MB")


def _run(config: Config, request: Request, stack: ExitStack) -> None:
    sources = open_sources(config.with_timeout(request.timeout))
    for source in sources.values():
        stack.callback(source.close)
    journal = request.journal(config)
    before = journal.read() if journal else None
    begun = before or Done(request.steps(datetime.now(UTC)))
    steps = begun.steps
    past = Past(config, sources, steps)
    output = request.open(before.position if before else None)
    progress = Progress("Backfilling")
    stack.callback(progress.end)
    watch = _Watch(steps, output, journal, progress)
    watch.wrote(begun)
    try:
        done = fill(past, begun, output, watch)
        output.close()
    except KeyboardInterrupt:
        progress.end("Stopped. Give the same command again to go on." if journal else "Stopped.")
        raise
    if journal:
        journal.remove()
    progress.end(_summary(request, begun, done))


def _summary(request: Request, begun: Done, done: Done) -> str:
    """Say what was written, how much of it by this run, and what to do with it."""
    first, went_on, last = (
        f"{datetime.fromtimestamp(done.steps.instant(step), UTC):%Y-%m-%d %H:%M}"
        for step in (0, begun.number, done.number - 1)
    )
    text = (
        f"{done.samples:,} samples, of up to {done.series:,} series at a time, from {first} to {last} UTC,"
        f" {done.position / _MEGABYTE:,.1f} MB."
    )
    if begun.number:
        text += f" This run went on at {went_on} and wrote {done.samples - begun.samples:,} of the samples."
    if request.url is not None or request.output == STANDARD_OUTPUT:
        return text
    what, file = ("each file", request.folder / "DAY.om") if request.folder else ("it", request.output)
    return (
        f"{text}\nMake blocks of {what} in Prometheus's folder:\n"
        f"  promtool tsdb create-blocks-from --max-block-duration=720h openmetrics {file} FOLDER"
    )
