"""`ledger-exporter backfill`: the past as series, to a file or over HTTP."""

from __future__ import annotations

import hashlib
import re
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, ClassVar

import click

from exporter import client, config_file, logs, options
from exporter.app import open_sources
from exporter.backfill import period, reading
from exporter.backfill.filling import Filled, fill
from exporter.backfill.formats import OpenMetrics, RemoteWrite, VictoriaMetrics
from exporter.backfill.journal import Done, Journal
from exporter.backfill.output import File, Folder, Output, Remote, StandardOutput
from exporter.backfill.past import Past
from exporter.backfill.sending import REMOTE_WRITE_HEADERS, Receiver
from exporter.client import Client, check_url
from exporter.config import Config, parse_duration
from exporter.ledgers.history import Steps
from exporter.options import converted, option
from exporter.progress import Progress

_STANDARD_OUTPUT = "-"
_IMPORT_PATH = "/import"
_JOURNAL = "ledger-exporter-backfill.state"
_MEGABYTE = 1_000_000

HELP = """\
Write what would have been scraped before there was an exporter.

The ledgers know the past. For each step of a period this computes every gauge and counter as the exporter would have
published it then, and writes it with its instant. Rankings, the metrics by day, and what only a running exporter could know
of itself are left out. Impact and recorded spend are as known today. Counters begin at 0.

An interrupted run goes on where it stopped when the same command is given again.

\b
60 days for Prometheus, with the labels its scrapes have:
  ledger-exporter backfill --output=history.om \\
    --label=job=ledger-exporter --label=instance=127.0.0.1:9851
  promtool tsdb create-blocks-from --max-block-duration=720h \\
    openmetrics history.om /var/lib/prometheus

\b
A year by the hour, straight into VictoriaMetrics:
  ledger-exporter backfill --from=365d --step=1h \\
    --to-url=http://127.0.0.1:8428/api/v1/import

\b
Up to the first scrape, by remote write, to a Prometheus that takes samples out of order:
  ledger-exporter backfill --from=2026-04-01 --to=2026-06-01T09:30:00Z \\
    --to-url=http://127.0.0.1:9090/api/v1/write
"""


class _Pair(click.ParamType):  # type: ignore[type-arg] # generic in the newest click only
    """A name and a value; in the environment one a line."""

    name = "pair"
    envvar_list_splitter: ClassVar[str] = "\n"

    def __init__(self, separator: str, pattern: str) -> None:
        self._separator = separator
        self._name = re.compile(pattern)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, str]:  # noqa: ANN401 - click's own
        """Split a pair."""
        name, separator, text = str(value).partition(self._separator)
        if not separator or not self._name.fullmatch(name):
            self.fail(f"{value!r} is not NAME{self._separator}VALUE", param, ctx)
        return name, text.strip()


_LABEL = _Pair("=", r"(?!__)[a-zA-Z_][a-zA-Z0-9_]*")
_HEADER = _Pair(":", r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")


@dataclass(frozen=True)
class Request:
    """What the command line asks for. Of `output` and `url` one is None."""

    begin: str
    end: str | None
    step: timedelta
    output: str | None
    url: str | None
    http_config: Path | None
    headers: tuple[tuple[str, str], ...]
    labels: tuple[tuple[str, str], ...]
    state: Path | None

    @property
    def folder(self) -> Path | None:
        """Return the output where it is a folder."""
        if self.output is None or not (self.output.endswith("/") or Path(self.output).is_dir()):
            return None
        return Path(self.output)

    def journal(self, config: Config) -> Journal | None:
        """Return the file that says how far it is; none where nothing can be gone on with."""
        if self.output == _STANDARD_OUTPUT:
            return None
        beside = self.folder / _JOURNAL if self.folder else Path(f"{self.output}.state" if self.output else _JOURNAL)
        known = hashlib.sha256(config.model_dump_json().encode()).hexdigest()
        task = {
            "from": self.begin,
            "to": self.end,
            "step": self.step.total_seconds(),
            "output": self.output,
            "url": self.url,
            "labels": dict(self.labels),
            "configuration": known,
        }
        return Journal(self.state or beside, task)

    def steps(self, now: datetime) -> Steps:
        """Return the steps of the period."""
        latest = now if self.url else now - period.HEAD
        return period.steps(self.begin, self.end, self.step, now, latest=latest)

    def open(self, position: int | None) -> Output:
        """Open the output, to begin or to go on at a position."""
        labels = dict(self.labels)
        if self.url is not None:
            imports = self.url.partition("?")[0].endswith(_IMPORT_PATH)
            headers = {**({} if imports else REMOTE_WRITE_HEADERS), **dict(self.headers)}
            receiver = Receiver(Client(client.load(self.http_config)), self.url, headers)
            return Remote(receiver, VictoriaMetrics(labels) if imports else RemoteWrite(labels), position or 0)
        openmetrics = OpenMetrics(labels)
        if self.output == _STANDARD_OUTPUT:
            return StandardOutput(openmetrics)
        if self.folder is not None:
            return Folder(self.folder, openmetrics, position or 0)
        return File(Path(str(self.output)), openmetrics, position)


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
    default="5m",
    metavar="DURATION",
    callback=converted(parse_duration),
    help="From instant to instant; more than 5m leaves gaps in graphs.",
)
@option(
    "--output",
    envvar="LEDGER_EXPORTER_BACKFILL_OUTPUT",
    default=None,
    metavar="PATH",
    help="A file of OpenMetrics; a folder, with a file for each day, where it ends with /; or - for standard output.",
)
@option(
    "--to-url",
    "url",
    default=None,
    metavar="URL",
    callback=converted(check_url),
    help="Send it instead: to VictoriaMetrics where the path ends with /import, else by remote write.",
)
@option(
    "--http.config.file",
    "http_config",
    type=click.Path(path_type=Path, dir_okay=False),
    default=None,
    help="What the receiver wants to see, as Prometheus's HTTP clients.",
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
def backfill(config_path: Path, **asked: Any) -> None:  # noqa: ANN401 - click has converted each
    """Write the past as series."""
    request = Request(**asked)
    if (request.output is None) == (request.url is None):
        raise click.UsageError("needs one of --output and --to-url")
    logs.configure("warn", "logfmt")
    with ExitStack() as stack:
        _run(config_file.load(config_path), request, stack)


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
        day = period.day_of(self.steps.instant(number - 1))
        self.progress.show(number / self.steps.count, f"{day} {self.output.position / _MEGABYTE:,.0f} MB")


def _run(config: Config, request: Request, stack: ExitStack) -> None:
    sources = open_sources(config)
    for source in sources.values():
        stack.callback(source.close)
    journal = request.journal(config)
    done = journal.read() if journal else None
    steps = done.steps if done else request.steps(datetime.now(UTC))
    past = Past(
        config,
        steps,
        reading.charged(config, sources, steps),
        reading.ended(config, sources, steps),
        reading.allocated(config, sources, steps),
    )
    output = request.open(done.position if done else None)
    progress = Progress("Backfilling")
    watch = _Watch(steps, output, journal, progress)
    watch.wrote(done or Done(steps, 0, 0))
    try:
        filled = fill(past, steps, output, done.number if done else 0, watch)
        output.close()
    except KeyboardInterrupt:
        progress.end("Stopped. Give the same command again to go on." if journal else "Stopped.")
        raise click.exceptions.Exit(130) from None
    if journal:
        journal.remove()
    progress.end(_summary(request, steps, filled, output.position))


def _summary(request: Request, steps: Steps, filled: Filled, size: int) -> str:
    """Say what was written, and what to do with it."""
    first, last = (datetime.fromtimestamp(steps.instant(step), UTC) for step in (0, steps.count - 1))
    text = (
        f"{filled.samples:,} samples of {filled.series:,} series from {first:%Y-%m-%d %H:%M} to {last:%Y-%m-%d %H:%M} UTC,"
        f" {size / _MEGABYTE:,.1f} MB."
    )
    if request.url is not None or request.folder is not None or request.output == _STANDARD_OUTPUT:
        return text
    return (
        f"{text}\nMake blocks of it in Prometheus's folder:\n"
        f"  promtool tsdb create-blocks-from --max-block-duration=720h openmetrics {request.output} FOLDER"
    )
