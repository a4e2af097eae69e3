"""Requests are tried again where that may help, and explained where it does not."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from exporter.backfill.sending import REMOTE_WRITE_HEADERS, Receiver
from exporter.client import Client
from exporter.errors import RequestError


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
    server.statuses = [302] * 99
    with pytest.raises(RequestError, match="would be lost"):
        receiver(server.url, []).send(b"charge")


def test_nobody_there_is_tried_again() -> None:
    pauses: list[float] = []
    with Server() as gone:
        url = gone.url
    with pytest.raises(RequestError, match="Connection refused"):
        receiver(url, pauses).send(b"charge")

    assert len(pauses) == 6
