"""What the command line asks for, as the parts that do it: the steps, the journal and the output."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import click

from exporter import client
from exporter.backfill import period
from exporter.backfill.formats import OpenMetrics, RemoteWrite
from exporter.backfill.journal import Journal
from exporter.backfill.output import File, Folder, Output, Remote, StandardOutput
from exporter.backfill.period import PeriodError, Steps
from exporter.backfill.sending import REMOTE_WRITE_HEADERS, Receiver
from exporter.client import Client
from exporter.config import Config

STANDARD_OUTPUT = "-"
_JOURNAL = "ledger-exporter-backfill.state"


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
    timeout: timedelta

    @property
    def folder(self) -> Path | None:
        """Return the output where it is a folder."""
        if self.output is None or not (self.output.endswith("/") or Path(self.output).is_dir()):
            return None
        return Path(self.output)

    def journal(self, config: Config) -> Journal | None:
        """Return the file that says how far it is; none where nothing can be gone on with."""
        if self.output == STANDARD_OUTPUT:
            return None
        beside = self.folder / _JOURNAL if self.folder else Path(f"{self.output}.state" if self.output else _JOURNAL)
        return Journal(self.state or beside, self.task(config))

    def task(self, config: Config) -> dict[str, object]:
        """Return what must be the same for a run to go on. Credentials need not: those before may have run out."""
        return {
            "from": self.begin,
            "to": self.end,
            "step": self.step.total_seconds(),
            "output": self.output,
            "url": self.url,
            "headers": {name.lower(): text for name, text in self.headers if name.lower() != "authorization"},
            "labels": dict(self.labels),
            "configuration": config.model_dump_json(),
        }

    def steps(self, now: datetime) -> Steps:
        """Return the steps of the period.

        Raises:
            click.UsageError: there are none.
        """
        latest = now if self.url else now - period.HEAD
        try:
            return period.steps(self.begin, self.end, self.step, now, latest=latest)
        except PeriodError as error:
            raise click.UsageError(str(error)) from None

    def open(self, position: int | None) -> Output:
        """Open the output, to begin or to go on at a position."""
        labels = dict(self.labels)
        if self.url is not None:
            headers = {**REMOTE_WRITE_HEADERS, **dict(self.headers)}
            receiver = Receiver(Client(client.load(self.http_config)), self.url, headers)
            return Remote(receiver, RemoteWrite(labels), position or 0)
        openmetrics = OpenMetrics(labels)
        if self.output == STANDARD_OUTPUT:
            return StandardOutput(openmetrics)
        if self.folder is not None:
            return Folder(self.folder, openmetrics, position)
        return File(Path(str(self.output)), openmetrics, position)
