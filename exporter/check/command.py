"""`ledger-exporter check`: the configuration, and with `--deep` all it speaks of."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Literal

import click

from exporter import logs, options, terminal
from exporter.app import open_sources
from exporter.check import configuration, mapping, output, plans, server, trial
from exporter.check.findings import Finding, Report, Section
from exporter.config import Config, LedgerName
from exporter.databases.postgresql import Source
from exporter.databases.transaction import Transaction
from exporter.errors import SourceError
from exporter.ledgers import inspection
from exporter.ledgers.inspection import Server
from exporter.ledgers.question import Question

option = options.of_command("check")

_PATIENCE = timedelta(minutes=1)
"""How long one source may take to answer all that is asked of it."""

_HELP = """Say whether it would work, before it has to.

Without --deep only the configuration is read, and with --web.config.file that of the web server with its certificates: fast,
and without a connection. Every mistake is told with its place.

With --deep every source is asked as well: version, role and clock; whether each relation and column is there, may be read
and is of a fitting type; how every query would be carried out, and which index is missing. Then the ledgers are read as
`serve` would, for a few seconds, and series and memory are estimated. Nothing is written.

\b
Examples:
  ledger-exporter check                                     in front of every start and reload
  ledger-exporter check --web.config.file=web.yml           where `serve` is given one too
  ledger-exporter check --deep                              once, with a new configuration
  ledger-exporter check --deep --strict --output=json       in a pipeline

Exit codes: 0 all is well; 1 there is a warning, and --strict; 2 something cannot work."""


@click.command("check", help=_HELP)
@options.config_file()
@options.web_config_file("Also check TLS, users and headers, as `serve` would read them.")
@option("--deep", is_flag=True, default=False, help="Also ask the databases.")
@option("--strict", is_flag=True, default=False, help="Exit with 1 where there is a warning.")
@option("--output", "form", type=click.Choice(["text", "json"]), default="text", help="For people, or for programs.")
def check(
    config_path: Path, web_config: Path | None, form: Literal["text", "json"], *, deep: bool, strict: bool
) -> None:
    """Run the command."""
    logs.configure("error", "logfmt")
    status = terminal.StatusLine()
    report = examine(config_path, web_config, deep=deep, status=status)
    status.end()
    code = report.exit_code(strict=strict)
    if form == "json":
        click.echo(output.as_json(report, code))
    else:
        click.echo(output.as_text(report, wrap=sys.stdout.isatty()), color=terminal.in_colour(sys.stdout))
    sys.exit(code)


def examine(
    path: Path,
    web: Path | None = None,
    *,
    deep: bool,
    status: terminal.StatusLine,
    now: Callable[[], float] = time.time,
) -> Report:
    """Check a configuration, and that of the web server where given; `deep` also asks the databases.

    `now` is the clock, in Unix seconds.
    """
    config, section = configuration.check(path)
    sections = [section, *([configuration.check_web(web)] if web else [])]
    if config is None or not deep:
        return Report(str(path), deep, sections)
    asking = _Asking(config, now, status)
    sections += asking.sources()
    if any(each.failed for each in sections):
        return Report(str(path), deep, sections)
    status.say("Reading the ledgers ...")
    with _opened(config) as sources:
        tried = trial.run(config, sources, asking.sizes, datetime.fromtimestamp(now(), UTC))
    return Report(str(path), deep, [*sections, Section("What would be published", tried.findings)], tried.estimate)


class _Asking:
    """Asks the sources of a configuration, one after the other; `sizes` is then how large the ledgers are."""

    def __init__(self, config: Config, now: Callable[[], float], status: terminal.StatusLine) -> None:
        self._config = config
        self._now = now
        self._status = status
        self.sizes = trial.Sizes()

    def sources(self) -> Iterator[Section]:
        """Yield what there is to say of each source, and of its ledgers."""
        patient = self._config.refresh.model_copy(update={"timeout": _PATIENCE})
        with _opened(self._config.model_copy(update={"refresh": patient})) as sources:
            for name, source in sources.items():
                self._status.say(f"Asking source {name} ...")
                yield from self._source(name, source)

    def _source(self, name: str, source: Source) -> Iterator[Section]:
        title = f"Source {name}, {inspection.address(self._config.sources[name].conninfo(os.environ))}"
        try:
            with source.snapshot() as transaction:
                who = inspection.server(transaction)
                yield Section(title, list(server.check(transaction, who, self._config, name, self._now)))
                for ledger in self._config.ledgers_of(name):
                    yield Section(f"Ledger {ledger} in {name}", list(self._ledger(transaction, ledger, who)))
        except SourceError as problem:
            yield Section(title, [server.unreachable(problem, f"sources.{name}")])

    def _ledger(self, transaction: Transaction, ledger: LedgerName, who: Server) -> Iterator[Finding]:
        found = list(mapping.check(transaction, self._config, ledger, who))
        yield from found
        if Section("", found).failed:
            return
        question = Question(datetime.fromtimestamp(self._now(), UTC), self._config.efficiency.grace)
        planned = plans.check(transaction, self._config, ledger, question, hashed=who.hashes)
        yield from planned.findings
        if planned.abilities is not None:
            self.sizes.rows[ledger] = self.sizes.rows.get(ledger, 0) + planned.abilities.rows
            self.sizes.charges_a_day += planned.charges_a_day


@contextmanager
def _opened(config: Config) -> Iterator[Mapping[str, Source]]:
    """Open the sources of a configuration for a while."""
    sources = open_sources(config)
    try:
        yield sources
    finally:
        for source in sources.values():
            source.close()
