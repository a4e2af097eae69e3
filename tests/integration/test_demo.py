"""The demo against real programs: its history and bookings in PostgreSQL, and that nothing is left when it ends."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import urllib.request
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from threading import Event
from typing import Any

import psycopg
import pytest

from exporter.demo import history, postgres, tour
from exporter.demo.booking import Booking
from exporter.demo.incidents import Incidents
from exporter.demo.platform import Platform
from exporter.demo.stage import Program, ProgramError, Stage
from tests.support.exporter_process import eventually
from tests.support.processes import free_port
from tests.support.tools import tool

ROOT = Path(__file__).parents[2]
NOW = datetime(2026, 4, 8, 12, tzinfo=UTC)
DAYS = 14
SCALE = 0.1

FINGERPRINT = """
    select (select md5(string_agg(c::text, '' order by id)) from cost_ledger as c),
        (select md5(string_agg(i::text, '' order by id)) from impact_ledger as i),
        (select md5(string_agg(b::text, '' order by quest_id, day)) from quest_budget_allocations as b)
"""
READY = "Ctrl-C ends all of it"
COUNTED = "cost_usd between -1e100 and 1e100 and created_at < 'infinity'"


@pytest.fixture(scope="module")
def stage() -> Iterator[Stage]:
    with Stage() as opened:
        yield opened


@pytest.fixture(scope="module")
def server(stage: Stage) -> str:
    return postgres.start(stage)


@pytest.fixture(scope="module")
def loaded(server: str) -> str:
    """A database with the history, to copy."""
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute("create database loaded")
    dsn = psycopg.conninfo.make_conninfo(server, dbname="loaded")
    with psycopg.connect(dsn, autocommit=True) as connection:
        assert not history.is_loaded(connection)
        history.load(connection, _platform(), NOW, days=DAYS)
    return dsn


@pytest.fixture
def dsn(server: str, loaded: str) -> Iterator[str]:
    """A database of one's own with the history."""
    yield from _database(server, "template loaded")


@pytest.fixture
def empty(server: str) -> Iterator[str]:
    """An empty database."""
    yield from _database(server, "")


def _database(server: str, template: str) -> Iterator[str]:
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f"create database own {template}".encode())
    yield psycopg.conninfo.make_conninfo(server, dbname="own")
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute("drop database own with (force)")


def _platform() -> Platform:
    return Platform(scale=SCALE, incidents=Incidents(NOW))


def _one(dsn: str, question: str, values: object = None) -> Any:
    with psycopg.connect(dsn) as connection:
        return connection.execute(question.encode(), values).fetchone()  # type: ignore[arg-type]


def test_the_same_seed_and_instant_give_the_same_ledgers(loaded, empty):
    with psycopg.connect(empty, autocommit=True) as connection:
        history.is_loaded(connection)
        history.load(connection, _platform(), NOW, days=DAYS)
    assert _one(empty, FINGERPRINT) == _one(loaded, FINGERPRINT)


def test_history_ends_now_and_begins_on_the_first_day(loaded):
    first, last = _one(loaded, f"select min(created_at), max(created_at) from cost_ledger where {COUNTED}")
    assert NOW - timedelta(days=DAYS, hours=13) < first < NOW - timedelta(days=DAYS, hours=10)
    assert NOW - timedelta(minutes=5) < last <= NOW
    assert _one(loaded, "select max(updated_at) <= %s from impact_ledger", [NOW]) == (True,)


def test_recorded_spend_is_close_to_the_charges_but_not_equal(loaded):
    """Within 2 %, and so below what a drift alert takes for drift."""
    smallest, largest, equal = _one(
        loaded,
        f"""
        with charged as (
            select quest_id, (created_at at time zone 'UTC')::date as day, sum(cost_usd) as usd
            from cost_ledger where {COUNTED} group by 1, 2
        )
        select min(spent_usd / usd), max(spent_usd / usd), avg((spent_usd = usd)::int)
        from quest_budget_allocations join charged using (quest_id, day) where usd > 0.5
        """,
    )
    assert Decimal("0.96") < smallest
    assert largest < Decimal("1.02")
    assert equal < Decimal("0.1")


def test_history_holds_dirt_that_an_exporter_must_survive(loaded):
    nan, infinite, null = _one(
        loaded,
        "select count(*) filter (where cost_usd = 'NaN'), count(*) filter (where created_at = 'infinity'),"
        " count(*) filter (where cost_usd is null) from cost_ledger",
    )
    assert (nan, infinite, null) == (2, 1, 2)
    assert _one(loaded, "select count(*) from impact_ledger where impact_score = 'NaN'") == (1,)


def test_there_is_something_of_everything_to_find(loaded):
    with psycopg.connect(loaded) as connection:
        told = " ".join(sight.sentence for sight in tour.sights(connection, NOW))
    for words in ("has overspent", "in a loop", "wastes", "dearer", "pending", "without an allocation", "as a whole"):
        assert words in told


def test_a_load_that_is_stopped_leaves_the_ledgers_empty(empty):
    class EnoughError(Exception):
        pass

    def progress(done: float) -> None:
        if done > 0.5:
            raise EnoughError

    with psycopg.connect(empty, autocommit=True) as connection:
        history.is_loaded(connection)
        with pytest.raises(EnoughError):
            history.load(connection, _platform(), NOW, days=DAYS, progress=progress)
        assert not history.is_loaded(connection)
    assert _one(empty, "select count(*) from cost_ledger") == (0,)


def test_ledgers_of_somebody_else_are_not_touched(empty):
    with psycopg.connect(empty, autocommit=True) as connection:
        history.is_loaded(connection)
        connection.execute("insert into cost_ledger (cost_usd) values (1)")
        with pytest.raises(history.ForeignLedgerError):
            history.is_loaded(connection)


def test_the_role_reads_the_three_ledgers_and_cannot_write(dsn):
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute(history.script("role.sql").encode())
    try:
        reader = psycopg.conninfo.make_conninfo(dsn, user="ledger_exporter")
        for relation in ("cost_ledger", "impact_ledger", "quest_budget_allocations"):
            assert _one(reader, f"select count(*) > 0 from {relation}") == (True,)
        with psycopg.connect(reader) as connection, pytest.raises(psycopg.errors.ReadOnlySqlTransaction):
            connection.execute("delete from cost_ledger")
        with psycopg.connect(reader, autocommit=True) as connection:
            connection.execute("set default_transaction_read_only = off")
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                connection.execute("delete from cost_ledger")
    finally:
        with psycopg.connect(dsn, autocommit=True) as connection:
            connection.execute("drop owned by ledger_exporter; drop role ledger_exporter")


def test_booking_goes_on_where_history_ends(dsn):
    before = _one(dsn, f"select count(*), sum(cost_usd) from cost_ledger where {COUNTED}")
    booking = Booking(dsn, _platform(), NOW)
    booking.book(NOW + timedelta(hours=1))
    after = _one(dsn, f"select count(*), sum(cost_usd) from cost_ledger where {COUNTED}")
    booking.close()
    assert after[0] > before[0] + 50
    assert after[1] > before[1]
    assert _one(dsn, "select count(*) > 0 from impact_ledger where created_at > %s", [NOW]) == (True,)
    assert _one(
        dsn, "select count(*) > 0 from impact_ledger where updated_at > %s and created_at < %s", [NOW, NOW]
    ) == (True,)


def test_midnight_brings_allocations_and_recorded_spend(dsn):
    booking = Booking(dsn, _platform(), NOW)
    booking.book(NOW + timedelta(hours=18))
    booking.close()
    tomorrow = (NOW + timedelta(days=1)).date()
    rows, recorded = _one(
        dsn, "select count(*), sum(spent_usd) from quest_budget_allocations where day = %s", [tomorrow]
    )
    assert rows == 11
    assert recorded > 0


def test_an_interrupted_booking_books_everything_once(dsn):
    """Between two bookings the database restarts; the ledgers end as if it had not."""
    booking = Booking(dsn, _platform(), NOW)
    booking.book(NOW + timedelta(minutes=10))
    with psycopg.connect(dsn) as connection:
        connection.execute(
            "select pg_terminate_backend(pid, 5000) from pg_stat_activity"
            " where datname = current_database() and pid <> pg_backend_pid()"
        )
    with pytest.raises(psycopg.Error):
        booking.book(NOW + timedelta(minutes=20))
    booking.close()
    booking.book(NOW + timedelta(minutes=30))
    booking.close()
    booked = _one(dsn, "select count(*), sum(cost_usd) from cost_ledger where created_at > %s", [NOW])
    planned = Booking(dsn, _platform(), NOW).agenda.until(NOW + timedelta(minutes=30)).charges
    infinite = (1, Decimal("0.0021"))  # among the dirt
    assert booked == (len(planned) + infinite[0], sum(charge.cost_usd for charge in planned) + infinite[1])


def test_booking_waits_for_a_database_that_is_away(stage, dsn):
    """The server is stopped and started again under a booking that runs."""
    (server,) = [program for program in stage.programs if program.name == "postgres"]
    clock = NOW
    turns = []

    class Turns(Event):
        """A stop signal that lets three bookings happen, the second without a server."""

        def wait(self, timeout: float | None = None) -> bool:
            nonlocal clock
            turns.append(timeout)
            clock += timedelta(minutes=1)
            if len(turns) == 2:
                server.process.send_signal(signal.SIGINT)
                server.process.wait()
            if len(turns) == 3:
                _restart(stage, server, dsn)
            return len(turns) > 3

    booking = Booking(dsn, _platform(), NOW, clock=lambda: clock)
    booking.run(Turns())
    assert turns[2] > turns[1]
    count = _one(dsn, "select count(*) from cost_ledger where created_at > %s and created_at < 'infinity'", [NOW])[0]
    assert count == len(Booking(dsn, _platform(), NOW).agenda.until(NOW + timedelta(minutes=3)).charges)


def _restart(stage: Stage, server: Program, dsn: str) -> None:
    """Start the server's command once more and wait until it answers."""
    account = postgres._account()  # noqa: SLF001
    again = stage.start("postgres", server.process.args, farewell=signal.SIGINT, cwd=stage.folder, **account)
    stage.programs.remove(server)
    while not again.ended:
        try:
            return psycopg.connect(dsn, connect_timeout=60).close()
        except psycopg.OperationalError:
            Event().wait(0.02)
    raise AssertionError(again.last_words())


def test_a_resumed_platform_overspends_once(dsn):
    """Started anew, the demo goes on where it stopped; a quest that has overspent today does not do it again."""
    later = NOW + timedelta(minutes=30)
    with psycopg.connect(dsn, autocommit=True) as connection:
        platform, booked_until = history.resume(connection, 1, SCALE, later)
        assert NOW - timedelta(minutes=5) < booked_until <= NOW
        assert not [task for task in platform.tasks(NOW.date()) if task.outcome and "Sweep" in task.outcome.title]
        platform, _ = history.resume(connection, 1, SCALE, NOW + timedelta(days=1))
        booking = Booking(dsn, platform, booked_until)
        booking.book(NOW + timedelta(days=1))
        booking.close()
        told = [sight.sentence for sight in tour.sights(connection, NOW + timedelta(days=1))]
    assert any("has overspent" in sentence for sentence in told)


def test_a_stage_ends_what_was_started_on_it_even_when_it_fails():
    def play() -> None:
        with stage:
            stage.start("sleeper", ["sleep", "600"])
            raise ZeroDivisionError

    stage = Stage()
    with pytest.raises(ZeroDivisionError):
        play()
    assert [program.ended for program in stage.programs] == [True]
    assert not stage.folder.exists()


def test_a_server_that_does_not_start_says_why(monkeypatch):
    monkeypatch.setitem(postgres.SETTINGS, "shared_buffers", "nonsense")
    with Stage() as stage, pytest.raises(ProgramError, match="shared_buffers"):
        postgres.start(stage)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root runs the server as somebody else")
def test_programs_in_a_closed_folder_are_copied(monkeypatch):
    """A virtual environment in root's home cannot be reached by the account the server runs as."""
    monkeypatch.setattr(postgres, "_runs", lambda *_: False)
    with Stage() as stage:
        dsn = postgres.start(stage)
        assert _one(dsn, "select 1") == (1,)
        assert str(stage.programs[0].process.args[0]).startswith(str(stage.folder))
    assert not stage.folder.exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root runs the server as somebody else")
def test_a_place_for_temporary_files_that_is_roots_alone_is_left(monkeypatch):
    """As pam_tmpdir makes it for every user."""
    with tempfile.TemporaryDirectory(prefix="own-") as own:
        monkeypatch.setattr(tempfile, "tempdir", own)
        with Stage() as stage:
            assert not stage.folder.is_relative_to(own)
            assert _one(postgres.start(stage), "select 1") == (1,)
        assert not stage.folder.exists()


@dataclass
class Sandbox:
    """Where a demo runs that is started as a process: its programs on the PATH, its temporary files, its port."""

    tools: Path
    temporary: Path
    port: int

    @contextmanager
    def demo(self, *options: str) -> Iterator[subprocess.Popen[str]]:
        """Start the command with a small platform; a test that fails ends it too."""
        process = subprocess.Popen(
            [sys.executable, "-m", "exporter", "demo", "--scale=0.05", "--days=8", *options],
            cwd=ROOT, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            env=os.environ | {"PATH": str(self.tools), "TMPDIR": str(self.temporary), "PYTHONUNBUFFERED": "1"},
        )  # fmt: skip
        try:
            yield process
        finally:
            process.terminate()
            process.communicate(timeout=60)

    def listening(self) -> AbstractContextManager[subprocess.Popen[str]]:
        """Start the whole demo on the sandbox's port."""
        return self.demo(f"--web.listen-address=127.0.0.1:{self.port}")

    def leftovers(self) -> list[str]:
        """Files in the temporary folder and the command lines that name it."""
        return [*(path.name for path in self.temporary.iterdir()), *self.processes()]

    def processes(self) -> list[str]:
        """The command lines that name the temporary folder."""
        listed = subprocess.run(["ps", "-wweo", "args"], capture_output=True, text=True, check=True).stdout
        return [command for command in listed.splitlines() if str(self.temporary) in command]

    def get(self, url: str) -> str:
        """What a page says."""
        with urllib.request.urlopen(url, timeout=60) as response:  # noqa: S310  a page of this machine
            return response.read().decode()


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    """A sandbox with nothing on the PATH."""
    folder = Path(tempfile.mkdtemp(prefix="sandbox-"))
    folder.chmod(0o755)
    found = Sandbox(folder / "bin", folder / "tmp", free_port())
    found.tools.mkdir()
    found.temporary.mkdir()
    found.temporary.chmod(0o755)  # whatever the umask
    yield found
    shutil.rmtree(folder)


def _read_until(process: subprocess.Popen[str], words: str) -> str:
    """What the process says until a line holds the words."""
    said = []
    for line in process.stdout:
        said.append(line)
        if words in line:
            return "".join(said)
    raise AssertionError("".join(said))


@pytest.mark.parametrize(
    "farewell",
    [
        signal.SIGINT,
        pytest.param(signal.SIGTERM, marks=pytest.mark.slow),
        pytest.param(signal.SIGHUP, marks=pytest.mark.slow),
    ],
)
def test_the_demo_runs_is_scraped_and_leaves_nothing(sandbox, farewell):
    with sandbox.listening() as process:
        said = _read_until(process, READY)
        metrics = sandbox.get(f"http://127.0.0.1:{sandbox.port}/metrics")
        process.send_signal(farewell)
        rest = process.stdout.read()
        process.wait(60)
    assert process.returncode == 0, said + rest
    assert "Nothing is left behind." in rest
    assert "has overspent" in said
    assert 'ledger_up{ledger="cost"} 1' in metrics
    assert sandbox.leftovers() == []


@pytest.mark.slow
def test_a_demo_stopped_while_it_loads_leaves_nothing(sandbox):
    with sandbox.demo("--days=400", "--scale=1", f"--web.listen-address=127.0.0.1:{sandbox.port}") as process:
        eventually(sandbox.processes, "nothing was started")
        process.terminate()
        said = process.stdout.read()
        process.wait(60)
    assert process.returncode == 0, said
    assert "Stopped before it was ready" in said
    assert sandbox.leftovers() == []


@pytest.mark.slow
def test_a_demo_that_is_killed_leaves_nothing_either(sandbox):
    with sandbox.listening() as process:
        _read_until(process, READY)
        assert any("guard.py" in command for command in sandbox.processes())
        process.kill()
    eventually(lambda: not sandbox.processes(), "the guard has not ended what was started")
    assert sandbox.leftovers() == []


@pytest.mark.tools
def test_prometheus_scrapes_the_demo_where_it_is_installed(sandbox):
    for name in ("prometheus", "alertmanager"):
        (sandbox.tools / name).symlink_to(tool(name))
    with sandbox.listening() as process:
        said = _read_until(process, READY)
        url = next(line.split()[-1] for line in said.splitlines() if line.strip().startswith("Prometheus"))
        eventually(lambda: '"health":"up"' in sandbox.get(f"{url}api/v1/targets"), "Prometheus has not scraped")
        targets = sandbox.get(f"{url}api/v1/targets")
        process.send_signal(signal.SIGINT)
        rest = process.stdout.read()
        process.wait(60)
    assert "Nothing is left behind." in rest
    assert sandbox.leftovers() == []
    assert f'"127.0.0.1:{sandbox.port}"' in targets


def test_a_taken_port_is_said_at_once(sandbox):
    with socket.create_server(("127.0.0.1", sandbox.port)), sandbox.listening() as process:
        said = process.stdout.read()
        process.wait(60)
    assert process.returncode == 1
    assert f"127.0.0.1:{sandbox.port} is taken" in said
    assert sandbox.leftovers() == []


@pytest.mark.slow
def test_book_only_fills_a_database_and_books_until_told_to_stop(sandbox, empty):
    with sandbox.demo("--book-only", f"--dsn={empty}") as process:
        _read_until(process, "Booking.")
        with sandbox.demo("--is-booking", f"--dsn={empty}") as healthy:
            assert healthy.wait(60) == 0
        process.terminate()
        assert process.wait(60) == 0
    assert _one(empty, "select count(*) > 1000 from cost_ledger") == (True,)


def test_an_empty_database_is_not_booking(sandbox, empty):
    with sandbox.demo("--is-booking", f"--dsn={empty}") as process:
        assert process.wait(60) == 1
