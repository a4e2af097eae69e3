"""What the demo says: how far it is, what to open, and what to look for."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from exporter.demo.companions import COMPANIONS, Running

if TYPE_CHECKING:
    from exporter.demo.tour import Sight

BAR_WIDTH = 30


def show_progress(days: int, done: float) -> None:
    """Show how far the history is, 0 to 1: a line redrawn on a terminal, elsewhere one line at the end."""
    if sys.stdout.isatty():
        bar = ("#" * round(done * BAR_WIDTH)).ljust(BAR_WIDTH, ".")
        click.echo(f"\rBooking {days} days of history [{bar}] {done:4.0%}", nl=done >= 1)
    elif done >= 1:
        click.echo(f"Booked {days} days of history.")


def say_pages(address: str, dsn: str, running: list[Running], *, in_checkout: bool) -> None:
    """Say what to open, and what is missing for more."""
    pages = {"Exporter": f"http://{address}/", "Metrics": f"http://{address}/metrics"}
    pages |= {each.companion.title: each.url + each.companion.page for each in running}
    click.secho("\nOpen", bold=True)
    for title, url in pages.items():
        click.echo(f"  {title:<14}{url}")
    click.echo(f'  {"The ledgers":<14}psql "{dsn}"')
    absent = [companion.title for companion in COMPANIONS if companion.title not in pages]
    if not in_checkout:
        click.echo("  Prometheus, Alertmanager and Grafana need the repository's configuration: run `make demo` there.")
    elif absent:
        click.echo(f"  Not started: {', '.join(absent)}. The demo starts what it finds on the PATH.")


def say_sights(sights: list[Sight]) -> None:
    """Say what to look for, and the PromQL that shows it."""
    click.secho("\nLook for", bold=True)
    for sight in sights:
        click.echo(f"  {sight.sentence}")
        click.secho(f"      {sight.promql}", dim=True)
    click.echo("\nThe platform keeps booking. Ctrl-C ends all of it.")
