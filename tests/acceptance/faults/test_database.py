"""The database goes away, in every way that a database can; the exporter stays, says so, and finds back."""

from __future__ import annotations

import contextlib
import os
import signal
from pathlib import Path

import psycopg
import pytest

from tests.support.exporter_process import eventually
from tests.support.scene import PASSWORDS, ROLE, Scene

pytestmark = pytest.mark.slow


def test_stopped(scene: Scene) -> None:
    """An operator stops the server, and starts it again later."""
    scene.endures(scene.server.halt, scene.server.start_again, says="connection to server")


def test_killed(scene: Scene) -> None:
    """The server is killed, as by the machine when memory is short; it recovers from its log."""
    scene.endures(lambda: scene.server.halt(signal.SIGKILL), scene.server.start_again)


def test_restarted_in_the_middle_of_a_refresh(scene: Scene) -> None:
    """The connection is lost between two questions: what the first ones said is not published."""
    with contextlib.closing(psycopg.connect(scene.server.dsn(scene.database))) as held:

        def break_() -> None:
            held.execute("lock table cost_ledger in access exclusive mode")
            eventually(scene.waits_for_a_lock, "the exporter is not in the middle of a refresh")
            scene.server.halt(signal.SIGQUIT)

        scene.endures(break_, scene.server.start_again)


def test_starting_up_slowly(scene: Scene) -> None:
    """The server is there and takes nobody in yet: it recovers from an archive that is slow to answer."""
    data = scene.server.directory / "data"
    gate = scene.server.directory / "gate"
    settings, recovery = data / "postgresql.auto.conf", data / "recovery.signal"

    def break_() -> None:
        scene.server.halt()
        recovery.touch()
        os.chown(recovery, data.stat().st_uid, data.stat().st_gid)
        settings.write_text(f"restore_command = 'until test -e {gate}; do sleep 0.1; done; false'\n")
        scene.server.start_again(wait=False)

    def mend() -> None:
        gate.touch()
        eventually(lambda: not recovery.exists(), "the server does not recover")
        scene.server.wait()
        settings.write_text("")

    scene.endures(break_, mend, says="starting up")


def test_refusing_connections(scene: Scene) -> None:
    """Others have taken all the connections there are, those kept for superusers included."""
    theirs = f"select pg_terminate_backend(pid, 60000) from pg_stat_activity where usename = '{ROLE}'"
    all_taken = f"""
        select count(*) = current_setting('max_connections')::int from pg_stat_activity
        where backend_type = 'client backend' and usename <> '{ROLE}'
    """
    others = "select from pg_stat_activity where application_name = 'others'"
    with psycopg.connect(scene.server.dsn(), autocommit=True) as operator, contextlib.ExitStack() as taken:

        def take_all() -> bool:
            with contextlib.suppress(psycopg.OperationalError):
                while True:
                    connection = psycopg.connect(scene.server.dsn(), application_name="others")
                    taken.enter_context(contextlib.closing(connection))
            operator.execute(theirs)  # whose place is taken in the next round
            return bool(operator.execute(all_taken).fetchall()[0][0])

        def break_() -> None:
            eventually(take_all, "connections are left")

        def mend() -> None:
            taken.close()
            eventually(lambda: not operator.execute(others).fetchall(), "connections stay open")

        scene.endures(break_, mend, says="too many clients already")


def test_password_changed(scene: Scene, password: Path) -> None:
    """The new one is in the file it is read from: a reload is enough."""

    def break_() -> None:
        scene.execute(f"alter role {ROLE} password '{PASSWORDS[1]}'")
        scene.disconnect()

    def mend() -> None:
        password.write_text(f"{PASSWORDS[1]}\n")
        scene.exporter.send(signal.SIGHUP)

    scene.endures(break_, mend, says="password authentication failed")
    assert not [event for event in scene.exporter.events if any(secret in str(event) for secret in PASSWORDS)]
