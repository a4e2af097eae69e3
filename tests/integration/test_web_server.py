"""The server over real sockets: answers in order, bounded in time and number, and never more than a line in the log."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
import ssl
import struct
import threading
from collections.abc import Awaitable, Callable, Iterator
from typing import Self

import pytest
import uvloop
from hypothesis import given, settings
from hypothesis import strategies as st

from exporter.logs import Tally
from exporter.web import connection, server
from exporter.web.addresses import listen
from exporter.web.messages import Request, Response, plain
from exporter.web.server import Server

GET = b"GET /%s HTTP/1.1\r\nHost: me\r\n\r\n"
LAST = b"GET /%s HTTP/1.1\r\nHost: me\r\nConnection: close\r\n\r\n"
LARGE = b"~" * 10_000_000
DEADLINE_SECONDS = 20.0


class Open:
    """Lets everyone in, unencrypted."""

    def context(self) -> ssl.SSLContext | None:
        return None

    def objection(self, _connection: ssl.SSLObject | None) -> str | None:
        return None


def answer(request: Request) -> Response | Awaitable[Response]:
    """Say the path; `/large` is large, `/slow` takes a moment, `/broken` fails."""
    match request.path:
        case "/large":
            return Response(200, "text/plain", LARGE)
        case "/slow":
            return slowly(request)
        case "/broken":
            raise RuntimeError("broken")
        case _:
            return plain(200, request.path)


async def slowly(request: Request) -> Response:
    await asyncio.sleep(0.05)
    return plain(200, request.path)


class Running:
    """A server in a thread."""

    def __init__(self, answer: Callable[[Request], Response | Awaitable[Response]] = answer) -> None:
        self._answer = answer
        self._started = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self.listener = listen("127.0.0.1:0")
        self.address = self.listener.getsockname()

    def __enter__(self) -> Self:
        self._thread.start()
        self._started.wait(DEADLINE_SECONDS)
        return self

    def __exit__(self, *_: object) -> None:
        with contextlib.suppress(RuntimeError):  # the test has ended it
            self.end()
        self._thread.join(DEADLINE_SECONDS)
        assert not self._thread.is_alive()

    def end(self) -> None:
        """Tell the server to end."""
        self.loop.call_soon_threadsafe(self._ending.set)

    def _run(self) -> None:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(self._serve())

    async def _serve(self) -> None:
        self.loop = asyncio.get_running_loop()
        self._ending = asyncio.Event()
        tally = Tally(logging.getLogger("exporter.web"))
        self.server = Server(self._answer, Open(), tally)
        self.server.listen(self.listener)
        self._started.set()
        await self._ending.wait()
        await self.server.close(0.5)
        tally.flush()

    def connect(self) -> socket.socket:
        return socket.create_connection(self.address, timeout=DEADLINE_SECONDS)

    def say(self, *parts: bytes) -> bytes:
        """Send, and return all that comes until the server closes."""
        with self.connect() as client:
            for part in parts:
                client.sendall(part)
            return all_of(client)


def all_of(client: socket.socket) -> bytes:
    found = bytearray()
    with contextlib.suppress(ConnectionResetError):
        while part := client.recv(1 << 20):
            found += part
    return bytes(found)


def bodies(said: bytes) -> list[bytes]:
    return [part.split(b"\r\n\r\n", 1)[1].split(b"\n")[0] for part in said.split(b"HTTP/1.1 200 OK\r\n")[1:]]


@pytest.fixture
def running() -> Iterator[Running]:
    with Running() as found:
        yield found


@pytest.fixture
def patient(monkeypatch: pytest.MonkeyPatch) -> Callable[[str, float], None]:
    """Change how long something may take."""

    def change(name: str, seconds: float) -> None:
        monkeypatch.setattr(connection, name, seconds)

    return change


class TestAnswers:
    def test_come_in_the_order_of_requests(self, running: Running) -> None:
        asked = [b"a", b"slow", b"b", b"slow", b"c"]

        assert bodies(running.say(b"".join(GET % one for one in asked), LAST % b"d")) == [
            b"/a", b"/slow", b"/b", b"/slow", b"/c", b"/d",
        ]  # fmt: skip

    def test_come_byte_by_byte(self, running: Running) -> None:
        assert bodies(running.say(*(bytes([byte]) for byte in GET % b"a" + LAST % b"b"))) == [b"/a", b"/b"]

    def test_have_all_that_a_response_needs(self, running: Running) -> None:
        head = running.say(LAST % b"a").split(b"\r\n\r\n")[0].decode().split("\r\n")
        names = dict(line.split(": ", 1) for line in head[1:])

        assert head[0] == "HTTP/1.1 200 OK"
        assert names.pop("Date").endswith(" GMT")
        assert names == {
            "Content-Type": "text/plain; charset=utf-8", "Content-Length": "3", "X-Content-Type-Options": "nosniff",
            "Connection": "close",
        }  # fmt: skip

    def test_large_ones_are_whole(self, running: Running) -> None:
        said = running.say(GET % b"large" + GET % b"large" + LAST % b"a")

        assert said.count(b"~") == 2 * len(LARGE)
        assert said.endswith(b"\r\n\r\n/a\n")

    def test_to_head_have_no_body(self, running: Running) -> None:
        said = running.say(b"HEAD /large HTTP/1.1\r\nConnection: close\r\n\r\n")

        assert f"Content-Length: {len(LARGE)}".encode() in said
        assert said.endswith(b"\r\n\r\n")

    def test_reach_a_client_that_has_said_all(self, running: Running) -> None:
        """Such a client closes its side early, as `nc` does."""
        for path in (b"slow", b"large", b"a"):
            with running.connect() as client:
                client.sendall(GET % path)
                client.shutdown(socket.SHUT_WR)
                assert all_of(client).startswith(b"HTTP/1.1 200")

    def test_that_cannot_be_made_are_told(self, running: Running, caplog: pytest.LogCaptureFixture) -> None:
        said = running.say(GET % b"broken" + LAST % b"a")

        assert said.startswith(b"HTTP/1.1 500 ")
        assert said.endswith(b"/a\n")
        assert "broken" not in said.decode()
        assert [record.getMessage() for record in caplog.records] == ["a page could not be made"]

    def test_to_who_asks_first_are_awaited(self, running: Running) -> None:
        with running.connect() as client:
            client.sendall(
                b"POST /a HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 5\r\nConnection: close\r\n\r\n"
            )
            assert client.recv(100) == b"HTTP/1.1 100 Continue\r\n\r\n"
            client.sendall(b"hello")
            assert all_of(client).endswith(b"/a\n")

    def test_after_a_refusal_there_is_none(self, running: Running) -> None:
        said = running.say(GET % b"a" + b"nonsense\r\n\r\n" + GET % b"b")

        assert said.count(b"HTTP/1.1 ") == 2
        assert b"HTTP/1.1 400 Bad Request\r\n" in said
        assert b"Connection: close" in said

    def test_a_refusal_is_read_even_by_who_still_sends(self, running: Running) -> None:
        huge = b"GET / HTTP/1.1\r\nCookie: " + b"x" * 1_000_000

        assert running.say(huge).startswith(b"HTTP/1.1 431 ")


class TestTime:
    def test_half_a_request_is_given_up(self, running: Running, patient: Callable[[str, float], None]) -> None:
        patient("REQUEST_SECONDS", 0.2)
        halves = [
            b"", b"G", b"GET / HTTP/1.1\r\n", b"GET / HTTP/1.1\r\nCookie: x", b"\r\n\r\n",
            b"POST / HTTP/1.1\r\nContent-Length: 10\r\n\r\nx", b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n",
        ]  # fmt: skip

        assert [running.say(half) for half in halves] == [b""] * len(halves)

    def test_a_trickle_is_given_up(self, running: Running, patient: Callable[[str, float], None]) -> None:
        patient("REQUEST_SECONDS", 0.5)
        with running.connect() as client:
            client.settimeout(0.05)
            client.sendall(b"GET / HTTP/1.1\r\nA: ")
            for _ in range(200):
                try:
                    client.sendall(b"x")
                    if client.recv(1) == b"":
                        return
                except TimeoutError:
                    continue
                except (ConnectionResetError, BrokenPipeError):
                    return
            pytest.fail("never given up")

    def test_an_idle_connection_ends(self, running: Running, patient: Callable[[str, float], None]) -> None:
        patient("IDLE_SECONDS", 0.2)

        assert bodies(running.say(GET % b"a")) == [b"/a"]

    def test_who_does_not_read_is_given_up(self, running: Running, patient: Callable[[str, float], None]) -> None:
        patient("RESPONSE_SECONDS", 0.2)
        with running.connect() as client:
            client.sendall((GET % b"large") * 10)
            assert client.recv(1)
            wait_until(lambda: not running.server._connections)  # noqa: SLF001 - nothing else tells

            assert len(all_of(client)) < 10 * len(LARGE)

    def test_a_page_that_is_never_made_is_given_up(self, patient: Callable[[str, float], None]) -> None:
        patient("RESPONSE_SECONDS", 0.2)

        async def never() -> Response:
            await asyncio.sleep(3600)
            raise AssertionError

        with Running(lambda _: never()) as running:
            assert running.say(GET % b"a") == b""


class TestNumber:
    def test_who_rests_longest_makes_room(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(server, "MAX_CONNECTIONS", 10)
        with Running() as running, contextlib.ExitStack() as stack:
            idle = [stack.enter_context(running.connect()) for _ in range(10)]
            for client in idle:
                client.sendall(GET % b"a")
                assert client.recv(4096)
            assert bodies(running.say(LAST % b"b")) == [b"/b"]

            assert idle[0].recv(1) == b""
            idle[1].sendall(LAST % b"c")
            assert bodies(all_of(idle[1])) == [b"/c"]

    def test_when_all_are_busy_the_next_is_refused(
        self, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
    ) -> None:
        monkeypatch.setattr(server, "MAX_CONNECTIONS", 5)
        with Running() as running, contextlib.ExitStack() as stack:
            busy = [stack.enter_context(running.connect()) for _ in range(5)]
            for client in busy:
                client.sendall(GET % b"large")
                assert client.recv(15) == b"HTTP/1.1 200 OK"

            assert [running.say(LAST % b"a") for _ in range(20)] == [b""] * 20
        assert [record.getMessage() for record in caplog.records] == ["connection refused"] * 2


class TestLogs:
    def test_clients_that_break_off_are_not_worth_a_line(
        self, running: Running, caplog: pytest.LogCaptureFixture
    ) -> None:
        """Not in the middle of a pipeline either, where writing to a connection that is gone used to raise."""
        caplog.set_level(logging.DEBUG)
        for path in (b"large", b"slow", b"a"):
            for _ in range(30):
                with running.connect() as client:
                    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                    client.sendall((GET % path) * 20)

        assert bodies(running.say(LAST % b"b")) == [b"/b"]
        assert [record.getMessage() for record in caplog.records if record.levelno > logging.DEBUG] == []

    def test_a_thousand_bad_requests_are_two_lines(self, caplog: pytest.LogCaptureFixture) -> None:
        with Running() as running:
            for _ in range(1000):
                assert running.say(b"nonsense\r\n\r\n").startswith(b"HTTP/1.1 400 ")

        first, rest = caplog.records
        assert (
            vars(first).items()
            >= {"msg": "request refused", "reason": "400 bad request", "address": "127.0.0.1"}.items()
        )
        assert vars(rest)["count"] == 999


class TestEnd:
    def test_answers_that_are_due_are_sent(self, running: Running) -> None:
        with running.connect() as client, running.connect() as idle:
            client.sendall(GET % b"slow")
            wait_until(lambda: any(not one.resting for one in running.server._connections))  # noqa: SLF001 - nothing else tells
            running.end()

            assert bodies(all_of(client)) == [b"/slow"]
            assert all_of(idle) == b""


@settings(max_examples=100)
@given(st.lists(st.binary(max_size=60) | st.sampled_from([GET % b"a", GET % b"slow", b"\r\n\r\n"]), max_size=6))
def test_whatever_is_sent_it_goes_on(shared: Running, parts: list[bytes]) -> None:
    with shared.connect() as client:
        for part in parts:
            with contextlib.suppress(OSError):
                client.sendall(part)
        with contextlib.suppress(OSError):
            client.shutdown(socket.SHUT_WR)
        said = all_of(client)

    assert said == b"" or said.startswith(b"HTTP/1.1 ")
    assert bodies(shared.say(LAST % b"z")) == [b"/z"]


@pytest.fixture(scope="module")
def shared() -> Iterator[Running]:
    with Running() as found:
        yield found


def wait_until(question: Callable[[], object]) -> None:
    pause = threading.Event()
    for _ in range(int(DEADLINE_SECONDS / 0.02)):
        if question():
            return
        pause.wait(0.02)
    pytest.fail("never")
