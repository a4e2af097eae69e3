"""The command line; errors become exit codes here: 2 for a configuration that cannot be used, 130 for Ctrl-C, else 1."""

from __future__ import annotations

import importlib
import os
import sys
from pathlib import Path
from typing import Any, Literal, TypedDict, Unpack

import click

from exporter import __version__, logs, options
from exporter.app import App
from exporter.errors import ConfigError, ExporterError
from exporter.options import option
from exporter.web.pages import OWN_PATHS
from exporter.web.serving import serve as serve_http

_LATE_COMMANDS = {
    "check": "exporter.check.command",
    "reconcile": "exporter.reconcile.command",
    "report": "exporter.report.command",
    "backfill": "exporter.backfill.command",
    "demo": "exporter.demo.command",
}
"""Commands loaded when they are asked for: a serving exporter has no use for their code."""

_INTERRUPTED = 130
"""The exit code of a command that Ctrl-C ended, as shells have it."""


class _Commands(click.Group):
    """The commands; options without one are those of `serve`."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Put `serve` before arguments that name no command."""
        if not args or (args[0].startswith("-") and args[0] not in {"--help", "-h", "--version"}):
            args = ["serve", *args]
        return super().parse_args(ctx, args)

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names of all commands."""
        return [*super().list_commands(ctx), *_LATE_COMMANDS]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Return a command by its name."""
        if cmd_name in _LATE_COMMANDS:
            command: click.Command = getattr(importlib.import_module(_LATE_COMMANDS[cmd_name]), cmd_name)
            return command
        return super().get_command(ctx, cmd_name)

    def invoke(self, ctx: click.Context) -> Any:  # noqa: ANN401 - click's own
        """Run a command; one that is interrupted ends with the code of that, for 1 and 2 have meanings of their own."""
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            click.echo("Stopped.", err=True)
            raise click.exceptions.Exit(_INTERRUPTED) from None


@click.group(
    cls=_Commands,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
    epilog="Without a command, `serve` runs. Every option can also be given by the environment variable shown.",
)
@click.version_option(__version__, prog_name="ledger-exporter")
def cli() -> None:
    """Publish where an AI platform's money goes, and what it gets for it, as Prometheus metrics."""


_SERVE_HELP = """Read the ledgers periodically and serve their metrics.

A database that is down is no reason to end: ledger_up is 0 until it answers. SIGHUP loads the configuration again, and one that
cannot be used changes nothing.

\b
Examples:
  ledger-exporter                                                with ledger-exporter.yml of this folder
  ledger-exporter serve --config.file=/etc/ledger-exporter/ledger-exporter.yml
  ledger-exporter serve --web.listen-address=127.0.0.1:9851      for this machine alone
  ledger-exporter serve --web.config.file=web.yml                with TLS or passwords
  LEDGER_EXPORTER_LOG_FORMAT=json ledger-exporter serve          an option by the environment

`ledger-exporter check` says beforehand whether it would work.

Exit codes: 0 ended by SIGTERM or SIGINT; 1 it cannot listen there; 2 the configuration, or an option, cannot be used."""


class _Options(TypedDict):
    """The values of the options of `serve`."""

    config_path: Path
    addresses: tuple[str, ...]
    telemetry_path: str
    web_config: Path | None
    lifecycle: bool
    log_level: str
    log_format: Literal["logfmt", "json"]


@cli.command(help=_SERVE_HELP)
@options.config_file()
@option(
    "--web.listen-address",
    "addresses",
    multiple=True,
    default=[":9851"],
    metavar="HOST:PORT",
    help="Where to listen; :PORT is every interface. Repeatable (in the environment: separated by spaces).",
)
@option("--web.telemetry-path", "telemetry_path", default="/metrics", help="Where the metrics are.")
@options.web_config_file("TLS, users and headers, in the format of Prometheus's exporters; read anew at each request.")
@option(
    "--web.enable-lifecycle",
    "lifecycle",
    is_flag=True,
    default=False,
    help="Allow POST /-/reload; SIGHUP reloads in any case.",
)
@option(
    "--log.level", "log_level", type=click.Choice(logs.LEVELS), default="info", help="The least severe level to log."
)
@option(
    "--log.format", "log_format", type=click.Choice(["logfmt", "json"]), default="logfmt", help="How a line is written."
)
def serve(**given: Unpack[_Options]) -> None:
    """Run the command."""
    logs.configure(given["log_level"], given["log_format"])
    telemetry_path = given["telemetry_path"]
    if not telemetry_path.startswith("/") or telemetry_path in OWN_PATHS:
        raise click.BadParameter(
            "must begin with / and be none of the exporter's other pages", param_hint="--web.telemetry-path"
        )
    ended = serve_http(
        App(given["config_path"]),
        list(given["addresses"]),
        telemetry_path,
        lifecycle=given["lifecycle"],
        web_config=given["web_config"],
    )
    logs.end()
    if not ended:
        # Python would wait for the thread that is connecting, up to its time-out; there is nothing left to close properly.
        os._exit(0)


def main() -> None:
    """Run the command line."""
    try:
        cli()
    except ConfigError as error:
        click.echo(f"ledger-exporter: the configuration cannot be used:\n{error}", err=True)
        sys.exit(2)
    except ExporterError as error:
        click.echo(f"ledger-exporter: {error}", err=True)
        sys.exit(1)
