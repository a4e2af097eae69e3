"""Asking servers over HTTP: credentials go to who is asked and to nobody else, and no message tells them."""

from __future__ import annotations

import base64
import ssl
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from exporter import client
from exporter.client import Client, check_url, with_path
from exporter.errors import ConfigError, RequestError
from tests.support.certificates import Authority

SECRET = "s3cret"  # noqa: S105 - of these tests alone


class Server(ThreadingHTTPServer):
    """Answers with what it was asked; `seen` are the headers of every request."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.seen: list[dict[str, str]] = []
        self.elsewhere = ""

    def url(self, path: str = "/", scheme: str = "http") -> str:
        return f"{scheme}://127.0.0.1:{self.server_port}{path}"


class Handler(BaseHTTPRequestHandler):
    server: Server

    def log_message(self, *_: Any) -> None:
        """Say nothing."""

    def do_GET(self) -> None:
        self._answer(b"")

    def do_POST(self) -> None:
        self._answer(self.rfile.read(int(self.headers["Content-Length"])))

    def _answer(self, body: bytes) -> None:
        self.server.seen.append(dict(self.headers))
        status = {"/away": 302, "/wrong": 422}.get(self.path, 200)
        self.send_response(status)
        self.send_header("Location", self.server.elsewhere)
        self.end_headers()
        self.wfile.write(body or f"{self.path} was asked for".encode())


def serving(server: Server) -> Iterator[Server]:
    thread = threading.Thread(target=server.serve_forever, args=[0.01], daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def server() -> Iterator[Server]:
    yield from serving(Server())


@pytest.fixture
def other() -> Iterator[Server]:
    yield from serving(Server())


def configured(tmp_path: Path, text: str) -> Client:
    file = tmp_path / "client.yml"
    file.write_text(text)
    return Client(client.load(file))


def test_it_gets_and_posts(server: Server) -> None:
    assert Client().get(server.url("/metrics")) == b"/metrics was asked for"
    assert Client().post(server.url(), {"query": 'up{a="b"}'}) == b"query=up%7Ba%3D%22b%22%7D"
    assert "Authorization" not in server.seen[0]


@pytest.mark.parametrize(
    ("text", "header"),
    [
        (
            f"basic_auth: {{username: ann, password: {SECRET}}}",
            "Basic " + base64.b64encode(f"ann:{SECRET}".encode()).decode(),
        ),
        (f"authorization: {{credentials: {SECRET}}}", f"Bearer {SECRET}"),
        (f"authorization: {{type: Token, credentials: {SECRET}}}", f"Token {SECRET}"),
    ],
)
def test_credentials_are_shown(tmp_path: Path, server: Server, text: str, header: str) -> None:
    configured(tmp_path, text).get(server.url())

    assert server.seen[0]["Authorization"] == header


def test_credentials_come_from_files_too(tmp_path: Path, server: Server) -> None:
    (tmp_path / "password").write_text(f"{SECRET}\n")
    configured(tmp_path, f"authorization: {{credentials_file: {tmp_path}/password}}").get(server.url())

    assert server.seen[0]["Authorization"] == f"Bearer {SECRET}"


def test_files_are_looked_for_in_the_configurations_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, server: Server
) -> None:
    """As Prometheus does, wherever the command is given."""
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "password").write_text("another")
    (tmp_path / "password").write_text(SECRET)
    authority = Authority(tmp_path)
    pair = authority.client("prometheus")
    monkeypatch.chdir(elsewhere)
    names = f"{{ca_file: {authority.cert.name}, cert_file: {pair.cert.name}, key_file: {pair.key.name}}}"
    configured(tmp_path, f"basic_auth: {{username: ann, password_file: password}}\ntls_config: {names}").get(
        server.url()
    )
    configured(tmp_path, "authorization: {credentials_file: password}").get(server.url())

    basic = base64.b64encode(f"ann:{SECRET}".encode()).decode()
    assert [seen["Authorization"] for seen in server.seen] == [f"Basic {basic}", f"Bearer {SECRET}"]


def test_credentials_are_not_carried_elsewhere(tmp_path: Path, server: Server, other: Server) -> None:
    """Who answers with a redirection does not get others to see them."""
    server.elsewhere = other.url()
    configured(tmp_path, f"authorization: {{credentials: {SECRET}}}").get(server.url("/away"))

    assert "Authorization" in server.seen[0]
    assert "Authorization" not in other.seen[0]


def test_a_refusal_is_told_in_the_servers_words(server: Server) -> None:
    with pytest.raises(RequestError, match=r"/wrong answers 422 Unprocessable .*: /wrong was asked for"):
        Client().get(server.url("/wrong"))


def test_who_does_not_answer_is_told() -> None:
    with pytest.raises(RequestError, match=r"http://127\.0\.0\.1:1/x cannot be asked: .*refused"):
        Client().get("http://127.0.0.1:1/x?token=s3cret")


class TestTls:
    @pytest.fixture
    def server(self, authority: Authority) -> Iterator[Server]:
        server = Server()
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        pair = authority.server()
        context.load_cert_chain(pair.cert, pair.key)
        context.load_verify_locations(authority.cert)
        context.verify_mode = ssl.CERT_OPTIONAL
        server.socket = context.wrap_socket(server.socket, server_side=True)
        yield from serving(server)

    def test_an_unknown_authority_is_refused(self, server: Server) -> None:
        with pytest.raises(RequestError, match="certificate verify failed"):
            Client().get(server.url(scheme="https"))

    def test_a_known_one_is_trusted_and_shown_a_certificate(
        self, tmp_path: Path, authority: Authority, server: Server
    ) -> None:
        pair = authority.client("prometheus")
        asked = configured(
            tmp_path, f"tls_config: {{ca_file: {authority.cert}, cert_file: {pair.cert}, key_file: {pair.key}}}"
        )

        assert asked.get(server.url(scheme="https")) == b"/ was asked for"

    def test_anybody_is_trusted_when_that_is_wanted(self, tmp_path: Path, server: Server) -> None:
        assert configured(tmp_path, "tls_config: {insecure_skip_verify: true}").get(server.url(scheme="https"))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("basic_auth: {username: ann}", "basic_auth.password, or basic_auth.password_file, is required"),
        ("basic_auth: {username: ann, password: 7}", "basic_auth.password: must"),
        ("basic_auth: {user: ann}", "allowed here: username, password, password_file"),
        ("basic_auth: {username: a, password: b}\nauthorization: {credentials: c}", "not both"),
        ("tls_config: {ca_file: /nowhere}", "a file cannot be used"),
        ("authorization: {credentials_file: /nowhere}", "/nowhere: cannot be read"),
        ("tls_config: {}\ntls_config: {}", "is given twice"),
    ],
)
def test_mistakes_in_a_file_are_told(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(ConfigError) as told:
        configured(tmp_path, text)

    assert message in str(told.value)


def test_no_message_tells_a_secret(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as told:
        configured(
            tmp_path, f"basic_auth: {{username: ann, password: [{SECRET}]}}\nauthorization: {{credential: {SECRET}}}"
        )

    assert SECRET not in str(told.value)


@pytest.mark.parametrize(
    "url", ["127.0.0.1:9090", "ftp://host/", "http://", "http://ann:s3cret@host/", "file:///etc/passwd"]
)
def test_what_is_no_url_to_ask_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match="must be"):
        check_url(url)


@pytest.mark.parametrize(
    ("url", "whole"),
    [
        ("http://h:1", "http://h:1/metrics"),
        ("http://h:1/", "http://h:1/metrics"),
        ("https://h/ledgers", "https://h/ledgers"),
    ],
)
def test_a_url_without_a_path_is_given_one(url: str, whole: str) -> None:
    assert check_url(url) == url
    assert with_path(url, "/metrics") == whole
