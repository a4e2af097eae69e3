"""A TCP proxy that stands before a PostgreSQL server as the network does, and can be broken like one.

What it does to those who are connected and to those who come is set by `mend`, `cut`, `swallow` and `drag`; `target` may be
set to another server, as by a change of a name or address. `python -m tests.support.proxy FOLDER PIECE_BYTES` is one in a
process of its own, for pieces so small that others would notice; it says its port, and ends with its standard input.
"""

from __future__ import annotations

import contextlib
import socket
import struct
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import MappingProxyType, TracebackType
from typing import Self

_CHUNK = 65_536
_RESET = struct.pack("ii", 1, 0)
"""Close without a farewell: the other side gets a reset."""


class Proxy:
    """Forwards what comes to a free port of 127.0.0.1 to the unix socket of a server, until the block ends."""

    def __init__(self, target: Path, spoilt: Mapping[bytes, bytes] = MappingProxyType({})) -> None:
        """`target` is the folder of the server's socket; what is `spoilt` reaches it as something else of the same length."""
        self.target = target
        self._spoilt = spoilt
        self._passing = threading.Event()
        self._passing.set()
        self._piece_bytes = _CHUNK
        self._seconds_a_piece = 0.0
        self._ends: set[socket.socket] = set()
        self._lock = threading.Lock()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self.connections = 0
        self._accept_from(self._listener)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.cut()
        self._passing.set()

    def mend(self) -> None:
        """Let everything through again, what was held back included, and let everybody in."""
        self._piece_bytes, self._seconds_a_piece = _CHUNK, 0.0
        self._passing.set()
        if self._listener.fileno() < 0:
            self._listener = socket.create_server(("127.0.0.1", self.port))
            self._accept_from(self._listener)

    def cut(self) -> None:
        """Break all connections, and refuse new ones."""
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        with self._lock:
            for end in self._ends:
                with contextlib.suppress(OSError):
                    end.shutdown(socket.SHUT_RDWR)

    def swallow(self) -> None:
        """Let nothing through, and tell nobody: packets go nowhere, and are sent again once there is a way."""
        self._passing.clear()

    def drag(self, seconds_a_piece: float = 0.0, piece_bytes: int = _CHUNK) -> None:
        """Let everything through in pieces of so many bytes, each after so many seconds."""
        self._piece_bytes, self._seconds_a_piece = piece_bytes, seconds_a_piece

    def _accept_from(self, listener: socket.socket) -> None:
        threading.Thread(target=self._accept, args=[listener], daemon=True).start()

    def _accept(self, listener: socket.socket) -> None:
        with contextlib.suppress(OSError):  # the listener is closed
            while True:
                client, _ = listener.accept()
                self._join(client)

    def _join(self, client: socket.socket) -> None:
        self.connections += 1
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        server = socket.socket(socket.AF_UNIX)
        try:
            server.connect(str(self.target / ".s.PGSQL.5432"))
        except OSError:
            client.close()
            server.close()
            return
        with self._lock:
            self._ends |= {client, server}
        pumps = [
            threading.Thread(target=self._pump, args=ends, daemon=True)
            for ends in ((client, server, self._spoilt), (server, client, {}))
        ]
        for pump in pumps:
            pump.start()
        threading.Thread(target=self._close_after, args=[pumps, client, server], daemon=True).start()

    def _pump(self, source: socket.socket, target: socket.socket, spoilt: Mapping[bytes, bytes]) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(_CHUNK):
                for good, bad in spoilt.items():
                    data = data.replace(good, bad)
                for piece in self._pieces(data):
                    self._passing.wait()
                    target.sendall(piece)
        self._passing.wait()
        for end in (source, target):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def _pieces(self, data: bytes) -> Iterator[bytes]:
        start = 0
        while start < len(data):
            if self._seconds_a_piece:
                time.sleep(self._seconds_a_piece)
            size = self._piece_bytes
            yield data[start : start + size]
            start += size

    def _close_after(self, pumps: list[threading.Thread], *ends: socket.socket) -> None:
        for pump in pumps:
            pump.join()
        with self._lock:
            self._ends -= {*ends}
        for end in ends:
            end.close()


if __name__ == "__main__":
    with Proxy(Path(sys.argv[1])) as proxy:
        proxy.drag(piece_bytes=int(sys.argv[2]))
        sys.stdout.write(f"{proxy.port}\n")
        sys.stdout.flush()
        sys.stdin.read()
