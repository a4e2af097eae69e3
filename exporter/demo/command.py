"""`ledger-exporter demo`: the platform, the exporter that watches it, and what else is at hand to look through."""

from __future__ import annotations

import os
import signal
import sys
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Event, Thread
from time import monotonic
from typing import TYPE_CHECKING, NamedTuple
from urllib.error import URLError
from urllib.request import urlopen

import click
import psycopg
import yaml

import exporter
from exporter import logs
from exporter.demo import companions, history, postgres, terminal, tour
from exporter.demo.booking import Booking
from exporter.demo.incidents import Incidents
from exporter.demo.platform import Platform
from exporter.demo.stage import Program, ProgramError, Stage
from exporter.errors import ExporterError, SourceError
from exporter.options import of_command

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

READY_SECONDS = 40
POLL_SECONDS = 0.1
FRESH = timedelta(minutes=2)
OPTION_PREFIX = "LEDGER_EXPORTER_"

option = of_command("demo")

_HELP = """Try it: a research platform in a real PostgreSQL, 60 days of history, live bookings, and the exporter.

In a checkout of the repository Prometheus, Alertmanager and Grafana run as well, those of them that are installed. Nothing has
to be prepared, and Ctrl-C leaves nothing behind.

\b
Examples:
  ledger-exporter demo                                           then look at what it says
  ledger-exporter demo --seed=2 --days=30                        another platform, quicker
  ledger-exporter demo --scale=10 --web.listen-address=127.0.0.1:9861
  ledger-exporter demo --dsn=postgresql://me@127.0.0.1/empty     in a database of yours, which stays
  ledger-exporter demo --book-only --dsn=postgresql://me@127.0.0.1/empty

Exit codes: 0 ended as asked, or, with --is-booking, a demo books; 1 something cannot start or has failed, or none books;
2 an option cannot be used."""


class Stopped(Exception):  # noqa: N818  not an error: somebody asked for the end
    """The demo was told to end before it was ready."""


class Options(NamedTuple):
    """What the command line says."""

    address: str
    dsn: str | None
    seed: int
    scale: float
    days: int


@click.command("demo", help=_HELP)
@option("--web.listen-address", "address", default="127.0.0.1:9851", help="Where the exporter listens.")
@option("--dsn", help="Use this empty PostgreSQL database instead of the embedded one.")
@option(
    "--book-only",
    is_flag=True,
    default=False,
    help="Neither exporter nor Prometheus: fill the database of --dsn and keep booking.",
)
@option(
    "--is-booking",
    is_flag=True,
    default=False,
    help="Only say, by exit code, whether a demo books into the database of --dsn.",
)
@option("--seed", default=1, help="Another seed, another platform.")
@option(
    "--scale",
    type=click.FloatRange(0.01, 100),
    default=1.0,
    help="So many times the tasks, charges and budgets.",
)
@option("--days", type=click.IntRange(1, 400), default=history.DAYS, help="Days of history.")
def demo(*, book_only: bool, is_booking: bool, **given: object) -> None:
    """Run the command."""
    chosen = Options(**given)  # type: ignore[arg-type]  # click has converted each
    if (book_only or is_booking) and not chosen.dsn:
        raise click.UsageError("--book-only and --is-booking need a database: --dsn")
    if is_booking:
        sys.exit(0 if _books(str(chosen.dsn)) else 1)
    logs.configure("warn", "logfmt")
    with _stop_signals() as stop:
        try:
            _book_only(chosen, stop) if book_only else _play(chosen, stop)
        except Stopped:
            click.echo("\nStopped before it was ready; nothing is left behind.")
        except psycopg.Error as error:
            raise SourceError(f"the demo's database: {str(error).strip()}") from error


def _book_only(options: Options, stop: Event) -> None:
    """Fill a database and keep booking until told to stop."""
    booking = _prepare(str(options.dsn), options, stop)
    click.echo("Booking.")
    booking.run(stop)


def _play(options: Options, stop: Event) -> None:
    """The whole demo, from the empty stage to the empty stage."""
    began = monotonic()
    _require_free(options.address)
    with ExitStack() as stack:
        stage = stack.enter_context(Stage())
        dsn = options.dsn or postgres.start(stage)
        booking = _prepare(dsn, options, stop)
        server = _start_exporter(stage, options.address, dsn if options.dsn else _make_role(dsn))
        stack.callback(_start_booking(booking, stop))
        _wait_ready(server, f"http://{options.address}/-/ready", stop)
        essential = list(stage.programs)
        source = companions.repository()
        running = _start_companions(stage, source, options.address, stop) if source else []
        click.echo(f"Ready after {monotonic() - began:.0f} s.")
        terminal.say_pages(options.address, dsn, running, in_checkout=source is not None)
        with psycopg.connect(dsn) as connection:
            terminal.say_sights(tour.sights(connection, datetime.now(UTC)))
        _watch(essential, stop)
        click.echo("\nEnding everything ...")
    click.echo("Nothing is left behind.")


def _prepare(dsn: str, options: Options, stop: Event) -> Booking:
    """Fill the database unless it is, and return the booking that goes on from there. Raises Stopped."""
    now = datetime.now(UTC)
    with psycopg.connect(dsn, autocommit=True, application_name="ledger-exporter demo") as connection:
        if history.is_loaded(connection):
            platform, booked_until = history.resume(connection, options.seed, options.scale, now)
            click.echo(f"The ledgers are booked up to {booked_until:%Y-%m-%d %H:%M} UTC; going on from there.")
            return Booking(dsn, platform, booked_until)
        platform = Platform(options.seed, options.scale, Incidents(now))

        def progress(done: float) -> None:
            if stop.is_set():
                raise Stopped
            terminal.show_progress(options.days, done)

        history.load(connection, platform, now, days=options.days, progress=progress)
        return Booking(dsn, platform, now)


def _make_role(dsn: str) -> str:
    """Make the read-only role, and return the connection string with which the exporter uses it."""
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute(history.script("role.sql").encode())
    return psycopg.conninfo.make_conninfo(dsn, user="ledger_exporter")


def _start_exporter(stage: Stage, address: str, dsn: str) -> Program:
    """Start the exporter as anybody would: its own process, a configuration file."""
    ledgers = {"cost": "cost_ledger", "impact": "impact_ledger", "budget": "quest_budget_allocations"}
    configuration = {
        "sources": {"platform": {"dsn": dsn}},
        "ledgers": {ledger: {"source": "platform", "relation": relation} for ledger, relation in ledgers.items()},
        "refresh": {"interval": "10s"},
    }
    file = stage.folder / "ledger-exporter.yml"
    file.touch(mode=0o600)
    file.write_text(yaml.safe_dump(configuration, sort_keys=False))
    command = [sys.executable, "-m", "exporter", "serve", f"--config.file={file}", f"--web.listen-address={address}"]
    environment = {name: value for name, value in os.environ.items() if not name.startswith(OPTION_PREFIX)}
    return stage.start("exporter", command, cwd=Path(exporter.__file__).parents[1], env=environment)


def _start_companions(stage: Stage, source: Path, address: str, stop: Event) -> list[companions.Running]:
    """Start what is installed besides; what does not become ready is reported, and the demo does without."""
    running = []
    for each in companions.start(stage, source, address):
        try:
            _wait_ready(each.program, each.url + each.companion.ready, stop)
            running.append(each)
        except ProgramError as error:
            click.echo(str(error), err=True)
    return running


def _start_booking(booking: Booking, stop: Event) -> Callable[[], None]:
    """Book in a thread of its own; returns what ends it and waits until it has."""
    thread = Thread(target=booking.run, args=[stop], name="booking")
    thread.start()

    def end() -> None:
        stop.set()
        thread.join()

    return end


def _wait_ready(program: Program, url: str, stop: Event) -> None:
    """Return when a program answers at a URL. Raises ProgramError where it ends or takes too long, Stopped when told to."""
    deadline = monotonic() + READY_SECONDS
    while monotonic() < deadline and not program.ended:
        try:
            with urlopen(url, timeout=5):  # noqa: S310  our own http URL
                return
        except (URLError, OSError):
            if stop.wait(POLL_SECONDS):
                raise Stopped from None
    raise ProgramError(f"{program.name} did not become ready; the end of its log:\n{program.last_words()}")


def _watch(programs: list[Program], stop: Event) -> None:
    """Return when told to stop. Raises ProgramError when one of the programs ends by itself."""
    while not stop.wait(1):
        for program in programs:
            if program.ended:
                raise ProgramError(f"{program.name} has ended; the end of its log:\n{program.last_words()}")


def _require_free(address: str) -> None:
    """Raise where the exporter could not listen, before anything slow is begun."""
    host, _, port = address.rpartition(":")
    if not port.isdecimal() or not host:
        raise click.UsageError(f"--web.listen-address: {address} is not host:port")
    if not companions.is_free(host.strip("[]"), int(port)):
        raise ExporterError(
            f"{address} is taken, perhaps by another demo: choose a port with --web.listen-address=127.0.0.1:PORT"
        )


def _books(dsn: str) -> bool:
    """Whether a charge has been booked within the last two minutes."""
    try:
        with psycopg.connect(dsn, connect_timeout=3) as connection:
            row = connection.execute(
                "select exists (select from cost_ledger where created_at between now() - %s and now())", [FRESH]
            ).fetchone()
    except psycopg.Error:
        return False
    return bool(row and row[0])


@contextmanager
def _stop_signals() -> Iterator[Event]:
    """An event that is set by Ctrl-C, SIGTERM or a closed terminal, instead of what these do otherwise."""
    stop = Event()
    signals = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = {number: signal.signal(number, lambda *_: stop.set()) for number in signals}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
