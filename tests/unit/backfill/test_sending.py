"""Requests are tried again where that may help, and explained where it does not."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from exporter.backfill.sending import REMOTE_WRITE_HEADERS, Receiver
from exporter.client import Client
from exporter.errors import RequestError
from tests.support.certificates import Authority

HANGS_UP = 0
"""In the place of a status: no answer at all."""


class Server(HTTPServer):
    """Answers requests with the statuses it is told, then with 204, and keeps what it was sent."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.statuses: list[int] = []
        self.received: list[tuple[str, bytes]] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/api/v1/write"


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.received.append((self.headers["Content-Encoding"], body))
        status = self.server.statuses.pop(0) if self.server.statuses else 204
        if status == HANGS_UP:
            self.close_connection = True
            return
        self.send_response(status)
        if status == 302:
            self.send_header("Location", "/login")
        self.send_header("Content-Length", "0" if status == 204 else "9")
        self.end_headers()
        if status != 204:
            self.wfile.write(b"too dear\n")

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def receiver(url: str, pauses: list[float]) -> Receiver:
    return Receiver(Client(), url, REMOTE_WRITE_HEADERS, pauses.append)


def test_it_is_sent_once_with_its_headers(server: Server) -> None:
    pauses: list[float] = []
    receiver(server.url, pauses).send(b"charge")

    assert (server.received, pauses) == ([("snappy", b"charge")], [])


@pytest.mark.parametrize("status", [429, 500, 503])
def test_it_is_tried_again_at_growing_intervals(server: Server, status: int) -> None:
    pauses: list[float] = []
    server.statuses = [status] * 3
    receiver(server.url, pauses).send(b"charge")

    assert (len(server.received), pauses) == (4, [0.5, 1, 2])


def test_it_is_not_tried_for_ever(server: Server) -> None:
    pauses: list[float] = []
    server.statuses = [503] * 99
    with pytest.raises(RequestError, match="answers 503 Service Unavailable: too dear"):
        receiver(server.url, pauses).send(b"charge")

    assert (len(server.received), len(pauses)) == (7, 6)


def test_a_refusal_is_final_and_explained(server: Server) -> None:
    pauses: list[float] = []
    server.statuses = [400]
    with pytest.raises(RequestError, match="answers 400 Bad Request: too dear"):
        receiver(server.url, pauses).send(b"charge")

    assert pauses == []


def test_a_redirection_is_no_success(server: Server) -> None:
    """What is sent after one is a GET without a body: the samples would be lost."""
    pauses: list[float] = []
    server.statuses = [302] * 99
    with pytest.raises(RequestError, match="would be lost"):
        receiver(server.url, pauses).send(b"charge")

    assert pauses == []


def test_a_certificate_that_is_not_trusted_does_not_become_so(server: Server, tmp_path: Path) -> None:
    pauses: list[float] = []
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    pair = Authority(tmp_path).server()
    context.load_cert_chain(pair.cert, pair.key)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    with pytest.raises(RequestError, match="certificate verify failed"):
        receiver(server.url.replace("http:", "https:"), pauses).send(b"charge")

    assert pauses == []


@pytest.mark.parametrize(
    ("error", "tries"), [(socket.EAI_NONAME, 1), (socket.EAI_AGAIN, 7)], ids=["nobody has it", "nobody can say"]
)
def test_a_name_is_looked_for_again_where_it_may_be_found(
    error: int, tries: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked, pauses = [], []

    def look(*_: object) -> None:
        looked.append(1)
        raise socket.gaierror(error, "not known")

    monkeypatch.setattr(socket, "getaddrinfo", look)
    with pytest.raises(RequestError, match="cannot be asked"):
        receiver("http://mimir.example/", pauses).send(b"charge")

    assert (len(looked), len(pauses)) == (tries, tries - 1)


@pytest.mark.parametrize("url", ["http://[::1/", "https://127.0.0.1:{port}/"])
def test_what_is_wrong_stays_wrong(server: Server, url: str) -> None:
    """What is no URL, and TLS with who does not speak it."""
    pauses: list[float] = []
    with pytest.raises(RequestError, match="cannot be asked"):
        receiver(url.format(port=server.server_port), pauses).send(b"charge")

    assert pauses == []


def test_who_hangs_up_is_asked_again(server: Server) -> None:
    pauses: list[float] = []
    server.statuses = [HANGS_UP] * 2
    receiver(server.url, pauses).send(b"charge")

    assert (len(server.received), pauses) == (3, [0.5, 1])


def test_nobody_there_is_tried_again() -> None:
    pauses: list[float] = []
    with Server() as gone:
        url = gone.url
    with pytest.raises(RequestError, match="Connection refused"):
        receiver(url, pauses).send(b"charge")

    assert len(pauses) == 6
