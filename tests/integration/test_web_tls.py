"""TLS over real sockets: who is turned away and why, and what a client costs that does not go on."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import logging
import socket
import ssl
import tempfile
import threading
from datetime import timedelta
from pathlib import Path
from typing import Self

import pytest
import uvloop

from exporter.logs import Tally
from exporter.web.addresses import listen
from exporter.web.config import CIPHER_SUITES
from exporter.web.config_file import WebConfigFile
from exporter.web.messages import Response
from exporter.web.server import Server
from exporter.web.serving import Entrance
from tests.support.certificates import Authority, Pair
from tests.support.sizes import sizes

REQUEST = b"GET / HTTP/1.1\r\nHost: me\r\nConnection: close\r\n\r\n"
BODY = b"~" * 5_000_000
OWN = "cert_file: server.crt, key_file: server.key"
MUTUAL = f"{OWN}, client_auth_type: RequireAndVerifyClientCert, client_ca_file: authority.pem"
DEADLINE_SECONDS = 60.0


class Running:
    """A server in a thread, with a web configuration that may change."""

    def __init__(self, folder: Path, section: str) -> None:
        self._file = folder / "web.yml"
        self.configure(section)
        self._entrance = Entrance(WebConfigFile(self._file))
        self._started = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self.listener = listen("127.0.0.1:0")
        self.address = self.listener.getsockname()

    def configure(self, section: str) -> None:
        self._file.write_text(f"tls_server_config: {{{section}}}\n")

    def __enter__(self) -> Self:
        self._thread.start()
        self._started.wait(DEADLINE_SECONDS)
        return self

    def __exit__(self, *_: object) -> None:
        self.loop.call_soon_threadsafe(self._ending.set)
        self._thread.join(DEADLINE_SECONDS)
        assert not self._thread.is_alive()

    def _run(self) -> None:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(self._serve())

    async def _serve(self) -> None:
        self.loop = asyncio.get_running_loop()
        self._ending = asyncio.Event()
        tally = Tally(logging.getLogger("exporter.web"))
        self.server = Server(lambda _: Response(200, "text/plain", BODY), self._entrance, tally)
        self.server.listen(self.listener)
        self._started.set()
        await self._ending.wait()
        await self.server.close(0.5)

    def connect(self) -> socket.socket:
        return socket.create_connection(self.address, timeout=DEADLINE_SECONDS)

    def ask(self, context: ssl.SSLContext) -> bytes:
        """Return all that comes; nothing, if the client is turned away."""
        found = bytearray()
        with (
            contextlib.suppress(ConnectionError, ssl.SSLError),
            self.connect() as plain,
            context.wrap_socket(plain, server_hostname="localhost") as client,
        ):
            client.sendall(REQUEST)
            while part := client.recv(1 << 20):
                found += part
        return bytes(found)


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    made = Authority(tmp_path)
    made.server()
    return made


def trusting(authority: Authority, client: Pair | None = None) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=str(authority.cert))
    if client:
        context.load_cert_chain(client.cert, client.key)
    return context


def test_a_large_body_is_whole(tmp_path: Path, authority: Authority) -> None:
    with Running(tmp_path, OWN) as running:
        assert running.ask(trusting(authority)).endswith(BODY)


def test_certificates_need_no_folder_to_write_to(
    tmp_path: Path, authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of a container's file system nothing may be writable."""

    def refuse(*_: object, **__: object) -> None:
        raise OSError(errno.EROFS, "read-only")

    monkeypatch.setattr(tempfile, "NamedTemporaryFile", refuse)
    with Running(tmp_path, OWN) as running:
        assert running.ask(trusting(authority)).endswith(BODY)


class TestClients:
    @pytest.fixture
    def clients(self, authority: Authority, tmp_path: Path) -> dict[str, Pair | None]:
        (tmp_path / "elsewhere").mkdir()
        return {
            "own": authority.client("own"), "none": None, "foreign": Authority(tmp_path / "elsewhere").client("own"),
            "expired": authority.client("expired", -timedelta(days=1)), "server": authority.server("second"),
        }  # fmt: skip

    @pytest.mark.parametrize(
        ("section", "client", "reason"),
        [
            (MUTUAL, "own", None),
            (MUTUAL, "none", "peer did not return a certificate"),
            (MUTUAL, "foreign", "client certificate: "),
            (MUTUAL, "expired", "client certificate: certificate has expired"),
            (MUTUAL, "server", "client certificate: "),
            (f"{MUTUAL}, client_allowed_sans: [own]", "own", None),
            (
                f"{MUTUAL}, client_allowed_sans: [other]",
                "own",
                "client certificate: has no allowed subject alternative name",
            ),
            (
                f"{MUTUAL}, client_allowed_sans: []",
                "own",
                "client certificate: has no allowed subject alternative name",
            ),
            (MUTUAL.replace("RequireAndVerifyClientCert", "VerifyClientCertIfGiven"), "none", None),
            (MUTUAL.replace("RequireAndVerifyClientCert", "VerifyClientCertIfGiven"), "own", None),
            (
                MUTUAL.replace("RequireAndVerifyClientCert", "VerifyClientCertIfGiven"),
                "foreign",
                "client certificate: ",
            ),
            (OWN, "foreign", None),
        ],
    )
    @pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
    def test_are_let_in_or_turned_away_for_a_reason(  # noqa: PLR0913, PLR0917 - a case has these parts
        self,
        tmp_path: Path,
        authority: Authority,
        clients: dict[str, Pair | None],
        caplog: pytest.LogCaptureFixture,
        section: str,
        client: str,
        reason: str | None,
        version: ssl.TLSVersion,
    ) -> None:
        context = trusting(authority, clients[client])
        context.minimum_version = context.maximum_version = version
        with Running(tmp_path, section) as running:
            said = running.ask(context)

        assert said.startswith(b"HTTP/1.1 200") is (reason is None)
        told = [str(vars(record)["reason"]) for record in caplog.records]
        assert told == [] if reason is None else len(told) == 1 and told[0].startswith(reason)

    def test_prove_anew_at_each_connection(self, tmp_path: Path, authority: Authority) -> None:
        """No session is resumed that a certificate opened once."""
        for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
            context = trusting(authority, authority.client("own"))
            context.minimum_version = context.maximum_version = version
            with Running(tmp_path, MUTUAL) as running:
                session, reused = None, []
                for _ in range(3):
                    with (
                        running.connect() as plain,
                        context.wrap_socket(plain, server_hostname="localhost", session=session) as client,
                    ):
                        client.sendall(REQUEST)
                        assert client.recv(12)
                        session = client.session
                        reused.append(client.session_reused)

            if version == ssl.TLSVersion.TLSv1_3:
                assert not any(reused)

    def test_of_an_authority_no_longer_trusted_are_turned_away(self, tmp_path: Path, authority: Authority) -> None:
        context = trusting(authority, authority.client("own"))
        (tmp_path / "elsewhere").mkdir()
        other = Authority(tmp_path / "elsewhere", "other")
        with Running(tmp_path, MUTUAL) as running:
            before = running.ask(context)
            running.configure(MUTUAL.replace("authority.pem", str(other.cert)))
            after = running.ask(context)

        assert before
        assert not after


class TestProtocol:
    @pytest.mark.parametrize(
        ("further", "expected"),
        [
            ("max_version: TLS12", ("TLSv1.2", None)),
            ("min_version: TLS13", ("TLSv1.3", None)),
            *[
                (f"max_version: TLS12, cipher_suites: [{name}]", ("TLSv1.2", openssl))
                for name, openssl in CIPHER_SUITES.items()
                if "ECDSA" in name
            ],
            ("cipher_suites: [TLS_AES_128_GCM_SHA256]", ("TLSv1.3", None)),
            ("curve_preferences: [CurveP256]", ("TLSv1.3", None)),
            ("prefer_server_cipher_suites: false", ("TLSv1.3", None)),
        ],
    )
    def test_is_as_configured(
        self, tmp_path: Path, authority: Authority, further: str, expected: tuple[str, str | None]
    ) -> None:
        context = trusting(authority)
        context.set_ciphers("ALL")
        with (
            Running(tmp_path, f"{OWN}, {further}") as running,
            running.connect() as plain,
            context.wrap_socket(plain, server_hostname="localhost") as client,
        ):
            cipher = client.cipher()
            assert cipher
            assert client.version() == expected[0]
            assert expected[1] in {None, cipher[0]}

    def test_is_http_1_even_for_who_prefers_2(self, tmp_path: Path, authority: Authority) -> None:
        context = trusting(authority)
        context.set_alpn_protocols(["h2", "http/1.1"])
        with (
            Running(tmp_path, OWN) as running,
            running.connect() as plain,
            context.wrap_socket(plain, server_hostname="localhost") as client,
        ):
            assert client.selected_alpn_protocol() == "http/1.1"


class TestTime:
    def test_half_a_handshake_is_given_up(self, tmp_path: Path, authority: Authority) -> None:
        with Running(tmp_path, OWN) as running:
            for half in (b"", b"\x16", b"\x16\x03\x01\x02\x00\x01", REQUEST):
                with (
                    sizes(handshake_seconds=0.2),
                    running.connect() as client,
                    contextlib.suppress(ConnectionResetError, BrokenPipeError),
                ):
                    client.sendall(half)
                    while client.recv(4096):
                        pass
            assert running.ask(trusting(authority))

    def test_half_a_handshake_makes_room(self, tmp_path: Path, authority: Authority) -> None:
        with sizes(max_connections=5), Running(tmp_path, OWN) as running, contextlib.ExitStack() as stack:
            waiting = [stack.enter_context(running.connect()) for _ in range(20)]

            assert running.ask(trusting(authority))
            assert waiting[0].recv(1) == b""
