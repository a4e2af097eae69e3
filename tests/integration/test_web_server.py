"""The server over real sockets: answers in order, bounded in time and number, and never more than a line in the log."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
import socket
import ssl
import struct
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from typing import Self

import pytest
import uvloop
from hypothesis import given, settings
from hypothesis import strategies as st

from exporter.logs import Tally
from exporter.web.addresses import listen
from exporter.web.connection import Doing
from exporter.web.messages import Request, Response, plain
from exporter.web.server import Server
from tests.support.sizes import sizes

GET = b"GET /%s HTTP/1.1\r\nHost: me\r\n\r\n"
LAST = b"GET /%s HTTP/1.1\r\nHost: me\r\nConnection: close\r\n\r\n"
LARGE = b"~" * 10_000_000
DEADLINE_SECONDS = 60.0


class Open:
    """Lets everyone in, unencrypted."""

    def context(self) -> ssl.SSLContext | None:
        return None

    def objection(self, _connection: ssl.SSLObject | None) -> str | None:
        return None


def answer(request: Request) -> Response | Awaitable[Response]:
    """Say the path; `/large` is large, `/slow` takes a moment, `/broken` fails, at once or later."""
    match request.path:
        case "/large":
            return Response(200, "text/plain", LARGE)
        case "/slow":
            return slowly(request)
        case "/broken":
            raise RuntimeError("broken")
        case "/broken-later":
            return broken_later()
        case _:
            return plain(200, request.path)


async def slowly(request: Request) -> Response:
    await asyncio.sleep(0.05)
    return plain(200, request.path)


async def broken_later() -> Response:
    await asyncio.sleep(0)
    raise RuntimeError("broken")


class Running:
    """A server in a thread."""

    def __init__(
        self,
        answer: Callable[[Request], Response | Awaitable[Response]] = answer,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`clock` is what lines of the log are counted by."""
        self._answer = answer
        self._clock = clock
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
        tally = Tally(logging.getLogger("exporter.web"), self._clock)
        self.server = Server(self._answer, Open(), tally)
        self.server.listen(self.listener)
        self._started.set()
        await self._ending.wait()
        await self.server.close(5)
        tally.flush()

    def connect(self, source: str = "127.0.0.1") -> socket.socket:
        return socket.create_connection(self.address, timeout=DEADLINE_SECONDS, source_address=(source, 0))

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
        (record,) = caplog.records
        assert record.getMessage() == "a page could not be made"
        assert "RuntimeError: broken" in vars(record)["exception"]

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
    def test_half_a_request_is_given_up(self, running: Running) -> None:
        halves = [
            b"", b"G", b"GET / HTTP/1.1\r\n", b"GET / HTTP/1.1\r\nCookie: x", b"\r\n\r\n",
            b"POST / HTTP/1.1\r\nContent-Length: 10\r\n\r\nx", b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n",
        ]  # fmt: skip

        with sizes(request_seconds=0.2):
            assert [running.say(half) for half in halves] == [b""] * len(halves)

    def test_a_trickle_is_given_up(self, running: Running) -> None:
        with sizes(request_seconds=0.5), running.connect() as client:
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

    def test_an_idle_connection_ends(self, running: Running) -> None:
        with sizes(idle_seconds=0.2):
            assert bodies(running.say(GET % b"a")) == [b"/a"]

    def test_who_does_not_read_is_given_up(self, running: Running) -> None:
        with sizes(response_seconds=0.2), running.connect() as client:
            client.sendall((GET % b"large") * 10)
            assert client.recv(1)
            wait_until(lambda: not running.server._connections)  # noqa: SLF001 - nothing else tells

            assert len(all_of(client)) < 10 * len(LARGE)

    def test_a_page_that_is_never_made_is_given_up(self) -> None:
        async def never() -> Response:
            await asyncio.sleep(3600)
            raise AssertionError

        with sizes(response_seconds=0.2), Running(lambda _: never()) as running:
            assert running.say(GET % b"a") == b""


class TestNumber:
    """Beyond as many as there may be, one makes room: of what most of one address do, the oldest."""

    @pytest.fixture
    def full(self) -> Iterator[Running]:
        with sizes(max_connections=10), Running() as running:
            yield running

    def test_who_rests_longest_makes_room(self, full: Running) -> None:
        with contextlib.ExitStack() as stack:
            idle = [served(stack, full) for _ in range(10)]
            assert bodies(full.say(LAST % b"b")) == [b"/b"]

            assert idle[0].recv(1) == b""
            idle[1].sendall(LAST % b"c")
            assert bodies(all_of(idle[1])) == [b"/c"]

    @pytest.mark.parametrize("half", [b"", b"G", GET % b"a" + b"G", (GET % b"large") * 5])
    def test_who_keeps_the_server_waiting_keeps_nobody_out(self, full: Running, half: bytes) -> None:
        """Neither by half a request nor by an answer that is never read; and who rests meanwhile stays."""
        with contextlib.ExitStack() as stack:
            resting = served(stack, full)
            for number in range(5):
                for _ in range(30):
                    stack.enter_context(full.connect()).sendall(half)
                assert bodies(full.say(LAST % b"%d" % number)) == [b"/%d" % number]
            resting.sendall(LAST % b"b")

            assert bodies(all_of(resting)) == [b"/b"]

    @pytest.mark.parametrize("said", [b"G", GET % b"a"])
    def test_an_address_with_many_loses_its_own(self, full: Running, said: bytes) -> None:
        """Whatever they do: who has few keeps those, also one whose request is on its way."""
        with contextlib.ExitStack() as stack:
            resting, slow = served(stack, full), stack.enter_context(full.connect())
            slow.sendall((GET % b"slow")[:-2])
            for _ in range(30):
                client = stack.enter_context(full.connect("127.0.0.2"))
                client.sendall(said)
                if said == GET % b"a":
                    assert client.recv(4096)
            slow.sendall(b"Connection: close\r\n\r\n")
            resting.sendall(LAST % b"b")

            assert (bodies(all_of(slow)), bodies(all_of(resting))) == ([b"/slow"], [b"/b"])

    def test_making_room_is_told_once(self, full: Running, caplog: pytest.LogCaptureFixture) -> None:
        with contextlib.ExitStack() as stack:
            for _ in range(100):
                served(stack, full)
            full.end()
            wait_until(lambda: not full.server._connections)  # noqa: SLF001 - nothing else tells

        assert [record.getMessage() for record in caplog.records][:1] == ["connection ended"]
        assert vars(caplog.records[0]).items() >= {"reason": "too many are open", "address": "127.0.0.1"}.items()
        assert len(caplog.records) <= 2


def served(stack: contextlib.ExitStack, running: Running) -> socket.socket:
    """Return a connection that has been answered and rests."""
    client = stack.enter_context(running.connect())
    client.sendall(GET % b"a")
    assert client.recv(4096)
    return client


class TestMemory:
    """What a connection held is free when it is over: nothing is left for a search that comes once a day."""

    CLIENTS = 10

    @pytest.mark.parametrize(
        "said",
        [b"", b"GET / HT", LAST % b"a", LAST % b"slow", LAST % b"broken", b"nonsense\r\n\r\n", GET % b"a" + b"x: y\r\n\r\n",
         b"GET / HTTP/1.1\r\nCookie: " + b"x" * 100_000, b"GET / HTTP/1.1\r\n" + b"x: y\r\n" * 101,
         b"POST / HTTP/1.1\r\nContent-Length: 70000\r\n\r\n" + b"x" * 70_000, (GET % b"a") * 101,
         b"GET / HTTP/1.1\r\nConnection: upgrade\r\nUpgrade: h2c\r\n\r\n", LAST % b"large", (GET % b"slow") * 2],
    )  # fmt: skip
    @pytest.mark.parametrize("breaks_off", [False, True])
    def test_a_connection_leaves_no_garbage(self, shared: Running, said: bytes, *, breaks_off: bool) -> None:
        def talk() -> None:
            with shared.connect() as client, contextlib.suppress(OSError):
                client.sendall(said)
                if breaks_off:
                    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                else:
                    client.shutdown(socket.SHUT_WR)
                    all_of(client)

        assert garbage_of(shared, talk, self.CLIENTS) < self.CLIENTS

    def test_nor_does_one_that_the_server_ends(self, shared: Running) -> None:
        def talk() -> None:
            with shared.connect() as client:
                client.sendall(GET % b"a" + b"G")
                assert client.recv(4096)
                shared.loop.call_soon_threadsafe(lambda: [one.abort() for one in shared.server._connections])  # noqa: SLF001
                assert all_of(client) == b""

        assert garbage_of(shared, talk, self.CLIENTS) < self.CLIENTS


def garbage_of(running: Running, talk: Callable[[], None], times: int) -> int:
    """Return how many objects only a search frees, when something was done so many times."""

    def settled() -> None:
        done = threading.Event()
        wait_until(lambda: not running.server._connections)  # noqa: SLF001 - nothing else tells
        running.loop.call_soon_threadsafe(running.loop.call_soon, done.set)  # what was due then is done
        done.wait(DEADLINE_SECONDS)

    talk()
    settled()
    gc.collect()
    gc.disable()
    try:
        for _ in range(times):
            talk()
        settled()
        return gc.collect()
    finally:
        gc.enable()


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

    @pytest.mark.parametrize("path", [b"broken", b"broken-later"])
    def test_a_page_that_cannot_be_made_is_two_lines_however_often(
        self, caplog: pytest.LogCaptureFixture, path: bytes
    ) -> None:
        with Running() as running:
            for _ in range(100):
                assert running.say(LAST % path).startswith(b"HTTP/1.1 500 ")

        first, rest = caplog.records
        assert "RuntimeError: broken" in vars(first)["exception"]
        assert vars(rest)["count"] == 99

    def test_a_thousand_bad_requests_are_two_lines(self, caplog: pytest.LogCaptureFixture) -> None:
        with Running(clock=lambda: 0.0) as running:
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
            wait_until(lambda: any(one.doing is Doing.ANSWERED for one in running.server._connections))  # noqa: SLF001 - nothing else tells
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
