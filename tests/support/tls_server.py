"""A PostgreSQL server that speaks TLS, and demands a client certificate of one role."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

import psycopg

from tests.support import postgres
from tests.support.certificates import Authority, Pair
from tests.support.exporter_process import eventually

ROLE = "guarded"
LOADED = "select pg_conf_load_time()::text"


class Guarded:
    """A server that speaks TLS, on an address of the machine, and demands a certificate of one role."""

    def __init__(self, server: postgres.Server, folder: Path) -> None:
        self.server = server
        self.authority = Authority(folder)
        self._data = server.directory / "data"
        rules = self._data / "pg_hba.conf"
        rules.write_text(f"hostssl all {ROLE} 127.0.0.1/32 cert\n{rules.read_text()}")
        self._install(self.authority.cert, "authority.pem")
        self._execute(f"create role {ROLE} login", "alter system set ssl_ca_file = 'authority.pem'")
        self.shows(self.authority.server())

    def shows(self, pair: Pair | None) -> None:
        """Let the server show a certificate from now on; without one it does not speak TLS."""
        if pair:
            self._install(pair.cert, "server.crt")
            self._install(pair.key, "server.key")
        before = self._execute(LOADED)
        self._execute(f"alter system set ssl = {'on' if pair else 'off'}", "select pg_reload_conf()")
        eventually(lambda: self._execute(LOADED) != before, "the server does not read its settings")

    def dsn(self, *, host: str = "localhost", **further: object) -> str:
        """How the exporter connects, by TCP."""
        given = {"sslrootcert": self.authority.cert, "user": "postgres", **further}
        options = " ".join(f"{name}={value}" for name, value in given.items())
        return f"host={host} hostaddr=127.0.0.1 port={self.server.port} dbname=postgres sslmode=verify-full {options}"

    def _install(self, file: Path, name: str) -> None:
        """Put a file where the server reads it: keys that others may read it refuses."""
        copy, owner = self._data / name, self._data.stat()
        shutil.copyfile(file, copy)
        copy.chmod(0o600)
        os.chown(copy, owner.st_uid, owner.st_gid)

    def _execute(self, *statements: str) -> list[tuple[Any, ...]]:
        with psycopg.connect(self.server.dsn(), autocommit=True) as connection:
            for statement in statements:
                cursor = connection.execute(statement.encode())
            return cursor.fetchall() if cursor.description else []
