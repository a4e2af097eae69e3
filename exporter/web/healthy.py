"""The image's health check: `python -m exporter.web.healthy [HOST:PORT]` tells by its exit code whether the exporter answers.

Any answer below 500 will do, and a refused client certificate too: that a password or certificate is missing, only a
server that is alive can say. It is run every few seconds, so it uses the standard library alone.
"""

from __future__ import annotations

import contextlib
import http.client
import os
import socket
import ssl
import sys
from pathlib import Path

_SECONDS = 4.0
_LOCAL = {"": "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - what stands for every interface
_TLS_RECORDS = {b"\x15", b"\x16"}
"""How an alert and a handshake begin."""
_ADDRESS = "LEDGER_EXPORTER_WEB_LISTEN_ADDRESS"
_WEB_CONFIG = "LEDGER_EXPORTER_WEB_CONFIG_FILE"


def is_alive(address: str, *, encrypted: bool) -> bool:
    """Tell whether an exporter answers at `host:port`; `encrypted` is what to try first."""
    host, _, port = address.rpartition(":")
    host = host.strip("[]")
    host = _LOCAL.get(host, host)
    plain = http.client.HTTPConnection(host, int(port), timeout=_SECONDS)
    secure = http.client.HTTPSConnection(host, int(port), timeout=_SECONDS, context=_trusting())
    return any(_answers(connection) for connection in ((secure, plain) if encrypted else (plain, secure)))


def _trusting() -> ssl.SSLContext:
    """Return a context that asks for no proof: what is asked is whether, not who."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def _answers(connection: http.client.HTTPConnection) -> bool:
    try:
        connection.request("GET", "/-/healthy")
        return connection.getresponse().status < 500
    except (OSError, http.client.HTTPException):
        return isinstance(connection, http.client.HTTPSConnection) and _greets(connection.host, connection.port)
    finally:
        connection.close()


def _greets(host: str, port: int) -> bool:
    """Tell whether a server answers a TLS greeting, though it may turn away who has no certificate."""
    outgoing = ssl.MemoryBIO()
    client = _trusting().wrap_bio(ssl.MemoryBIO(), outgoing)
    with contextlib.suppress(ssl.SSLWantReadError):
        client.do_handshake()
    try:
        with socket.create_connection((host, port), _SECONDS) as server:
            server.sendall(outgoing.read())
            return server.recv(1) in _TLS_RECORDS
    except OSError:
        return False


def _speaks_tls() -> bool:
    """Guess from the web configuration whether connections are encrypted; a wrong guess costs a second attempt."""
    try:
        return "tls_server_config" in Path(os.environ[_WEB_CONFIG]).read_text(encoding="utf-8")
    except (KeyError, OSError, UnicodeDecodeError):
        return False


def main() -> None:
    """Ask at the address given, or where the environment lets the exporter listen."""
    addresses = sys.argv[1:] or os.environ.get(_ADDRESS, "").split() or [":9851"]
    sys.exit(0 if is_alive(addresses[0], encrypted=_speaks_tls()) else 1)


if __name__ == "__main__":
    main()
