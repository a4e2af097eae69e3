"""The server: accepts connections, at most so many, ends those that take too long, and ends itself."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import logging
import resource
import socket
import ssl
import time
import traceback
from collections import Counter
from email.utils import formatdate
from typing import Protocol

from exporter.errors import ExporterError
from exporter.logs import Tally, Troubles
from exporter.web.connection import REQUEST_SECONDS, Connection
from exporter.web.messages import Answer

log = logging.getLogger(__name__)

MAX_CONNECTIONS = 1000
_RESERVED_DESCRIPTORS = 100
"""Left for databases, files and the interpreter, whatever clients do."""
_ACCEPTED_AT_ONCE = 64
_PAUSE_SECONDS = 0.2
_TLS_SHUTDOWN_SECONDS = 2.0
_NO_MEANS = {errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM}


class Entrance(Protocol):
    """Decides on each connection."""

    def context(self) -> ssl.SSLContext | None:
        """Return how it is encrypted. Raises ExporterError where it is refused, which is logged already."""

    def objection(self, connection: ssl.SSLObject | None) -> str | None:
        """Return why its client is turned away after the TLS handshake, or None."""


def _capacity() -> int:
    """Return how many connections the process can hold."""
    descriptors, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if descriptors == resource.RLIM_INFINITY:
        return MAX_CONNECTIONS
    return min(MAX_CONNECTIONS, max(descriptors - _RESERVED_DESCRIPTORS, descriptors // 2))


class Server:
    """All connections. It is the `Host` of each."""

    def __init__(self, answer: Answer, entrance: Entrance, tally: Tally) -> None:
        self.answer = answer
        self.date = _date()
        self._entrance = entrance
        self._tally = tally
        self._capacity = _capacity()
        self._loop = asyncio.get_running_loop()
        self._listeners: list[socket.socket] = []
        self._connections: dict[Connection, tuple[asyncio.Task[None], socket.socket]] = {}
        self._emptied = asyncio.Event()
        self._ticking = self._loop.create_task(self._tick())

    def listen(self, listener: socket.socket) -> None:
        """Accept connections of a listening socket."""
        listener.settimeout(0)
        self._listeners.append(listener)
        self._loop.add_reader(listener, self._accept, listener)

    async def close(self, grace_seconds: float) -> None:
        """Accept nothing more, and end all connections; answers that are due have some time left."""
        for listener in self._listeners:
            self._loop.remove_reader(listener)
            listener.close()
        self._listeners.clear()
        for connection in list(self._connections):
            connection.close()
        self._emptied.clear()
        if self._connections:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._emptied.wait(), grace_seconds)
        for connection in list(self._connections):
            self._drop(connection)
        self._ticking.cancel()

    def begun(self, connection: Connection, transport: asyncio.Transport) -> None:
        """Turn away a client that the entrance objects to."""
        reason = self._entrance.objection(transport.get_extra_info("ssl_object"))
        if reason is not None:
            self._tally.note("client turned away", reason=reason, address=connection.address)
            connection.abort()

    def refused(self, reason: str, address: str) -> None:
        """Note that a request was refused for its form."""
        self._tally.note("request refused", reason=reason, address=address)

    def failed(self) -> None:
        """Note that a page could not be made, while the error is handled."""
        self._tally.note("a page could not be made", exception=traceback.format_exc().rstrip())

    def over(self, connection: Connection) -> None:
        """Note that a connection is over."""
        self._connections.pop(connection, None)
        if not self._connections:
            self._emptied.set()

    def _accept(self, listener: socket.socket) -> None:
        for _ in range(_ACCEPTED_AT_ONCE):
            try:
                client, address = listener.accept()
            except (BlockingIOError, InterruptedError):
                return
            except OSError as error:
                if error.errno not in _NO_MEANS:
                    continue  # the client has gone
                self._tally.note("no connection can be accepted", reason=error.strerror)
                self._loop.remove_reader(listener)
                self._loop.call_later(_PAUSE_SECONDS, self._accept_again, listener)
                return
            self._take(client, str(address[0]))

    def _accept_again(self, listener: socket.socket) -> None:
        if listener in self._listeners:
            self._loop.add_reader(listener, self._accept, listener)

    def _take(self, client: socket.socket, address: str) -> None:
        if len(self._connections) >= self._capacity:
            self._make_room()
        client.settimeout(0)
        connection = Connection(self, address)
        self._connections[connection] = self._loop.create_task(self._open(connection, client, address)), client

    def _make_room(self) -> None:
        """End the oldest twentieth of the largest crowd: of those of one neighbourhood that do the same.

        So who fills the server loses what it fills it with: half requests, answers it does not read, or idle connections.
        """
        crowds = Counter((one.neighbourhood, one.doing) for one in self._connections)
        crowd = max(crowds, key=lambda one: (crowds[one], -one[1]))
        alike = [one for one in self._connections if (one.neighbourhood, one.doing) == crowd]
        for one in sorted(alike, key=lambda one: one.since)[: max(1, len(alike) // 20)]:
            self._tally.note("connection ended", reason="too many are open", address=one.address)
            self._drop(one)

    async def _open(self, connection: Connection, client: socket.socket, address: str) -> None:
        try:
            context = self._entrance.context()
            seconds = {"ssl_handshake_timeout": REQUEST_SECONDS, "ssl_shutdown_timeout": _TLS_SHUTDOWN_SECONDS}
            await self._loop.connect_accepted_socket(
                lambda: connection, client, ssl=context, **(seconds if context else {})
            )
        except ExporterError:
            client.close()
            self.over(connection)
        except OSError as error:
            client.close()
            self.over(connection)
            self._tally.note("connection failed", reason=_reason(error), address=address)
        except BaseException:
            client.close()
            self.over(connection)
            raise

    def _drop(self, connection: Connection) -> None:
        opening, client = self._connections.pop(connection)
        opening.cancel()
        connection.abort()
        client.close()  # by itself only where it has not been opened; else with its transport

    async def _tick(self) -> None:
        """Once a second: the date, what has taken too long, and what is to be logged."""
        troubles = Troubles()
        while True:
            await asyncio.sleep(1 - time.time() % 1)
            try:
                self.date = _date()
                now = self._loop.time()
                for connection in [one for one in self._connections if one.deadline < now]:
                    self._drop(connection)
                self._tally.tick()
            except Exception:
                if troubles.recur("keeping time"):
                    log.exception("time could not be kept; the next second is a new chance")


def _date() -> str:
    return formatdate(time.time(), usegmt=True)


def _reason(error: OSError) -> str:
    """Return why a connection failed, without the places in OpenSSL's source."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"client certificate: {error.verify_message}"
    if isinstance(error, ssl.SSLError):
        return (error.reason or str(error)).replace("_", " ").lower()
    return error.strerror or str(error)
