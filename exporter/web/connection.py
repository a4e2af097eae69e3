"""One client's connection: answers in order what is asked, as fast as the client reads, bounded in time and memory."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable
from enum import IntEnum
from typing import Protocol, cast

from exporter.web.addresses import neighbourhood
from exporter.web.messages import Answer, Request, Response, plain
from exporter.web.parser import RequestParser

IDLE_SECONDS = 90.0
"""How long a connection may wait for its next request: longer than scrape intervals usually are."""
REQUEST_SECONDS = 10.0
"""How long a request may take to arrive; the first of a connection, from the connection's beginning."""
RESPONSE_SECONDS = 30.0
"""How long a page may take to be made and read."""
_LINGER_SECONDS = 1.0
_TLS_STEP_BYTES = 65_536
"""How much of a body is encrypted ahead of a client; unencrypted, a body is one for all clients."""

_JOINED_BYTES = 65_536
"""A body up to this length is sent in one piece with its head."""

_FAILED = plain(500, "500 internal server error")


class Doing(IntEnum):
    """What a client does. Of clients that do different things, those that do the first of them make room first."""

    ASKING = 0
    """Its request is not complete; on a new connection, not even begun."""
    ANSWERED = 1
    """Its answer is being made, or read."""
    RESTING = 2
    """It has its answer, and asks nothing: it loses nothing when its connection is ended."""


class Host(Protocol):
    """What a connection needs of its server."""

    answer: Answer
    date: str
    """The present time, as the header `Date` has it."""

    def begun(self, connection: Connection, transport: asyncio.Transport) -> None:
        """Note that a connection can be used."""

    def refused(self, reason: str, address: str) -> None:
        """Note that a request was refused for its form."""

    def failed(self) -> None:
        """Note that a page could not be made, while the error is handled."""

    def over(self, connection: Connection) -> None:
        """Note that a connection is over."""


class Connection(asyncio.Protocol):
    """Reads requests, has each answered, and writes. While something is to be answered, nothing more is read."""

    def __init__(self, host: Host, address: str) -> None:
        """`address` is the client's."""
        self._host = host
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._parser = RequestParser(address)
        self.neighbourhood = neighbourhood(address)
        """Whom the client counts as, among others."""
        self._queue: deque[Request | Response] = deque()
        self._busy = False  # an answer is being made or written
        self._making: asyncio.Task[None] | None = None
        self._rest = memoryview(b"")
        self._step_bytes = 0
        self._writable = True
        self._last = False  # the answer being written is the last one
        self._ended = False  # nothing is read or answered any more
        self.doing = Doing.ASKING
        self.since = self._loop.time()
        """Since when it does so, in the loop's time."""
        self.deadline = self.since + REQUEST_SECONDS
        """When that has taken too long, in the loop's time."""

    @property
    def address(self) -> str:
        """The client's address."""
        return self._parser.address

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin."""
        self._transport = cast("asyncio.Transport", transport)
        if transport.get_extra_info("ssl_object"):
            self._step_bytes = _TLS_STEP_BYTES
            self._transport.set_write_buffer_limits(_TLS_STEP_BYTES)
        self._host.begun(self, self._transport)

    def data_received(self, data: bytes) -> None:
        """Read requests and answer them."""
        if self._ended or self._parser.ended:
            return
        if self.doing is Doing.RESTING:
            self._turn_to(Doing.ASKING, REQUEST_SECONDS)
        self._queue.extend(self._parser.feed(data))
        if self._parser.awaited and not self._busy and not self._queue:
            self._parser.awaited = False
            self._send(b"HTTP/1.1 100 Continue\r\n\r\n")
        self._advance()

    def eof_received(self) -> bool:
        """Stay open for an answer that is due: a client may say early that it asks nothing more."""
        self._parser.end()
        return self._busy and not self._ended and not self._step_bytes

    def pause_writing(self) -> None:
        """Wait until the client has read."""
        self._writable = False

    def resume_writing(self) -> None:
        """Write on."""
        self._writable = True
        if self._busy and self._making is None:
            self._write_on()
            self._advance()

    def connection_lost(self, _error: Exception | None) -> None:
        """Let go of everything. A page being made is made to the end, for nobody."""
        self._ended = True
        self._parser.end()
        self._queue.clear()
        self._rest = memoryview(b"")
        self._host.over(self)

    def close(self) -> None:
        """End as soon as the answer that is due is sent."""
        self._parser.end()
        self._queue.clear()
        self._last = True
        if not self._busy:
            self._end()

    def abort(self) -> None:
        """End at once."""
        self._ended = True
        if self._transport is not None:
            self._transport.abort()

    def _advance(self) -> None:
        """Answer the next request, and come back for the one after it: whoever asks much at once waits for the others."""
        if self._queue and not self._busy and not self._ended:
            self._busy = True
            self._turn_to(Doing.ANSWERED, RESPONSE_SECONDS)
            self._answer(self._queue.popleft())
        if self._transport is None or self._transport.is_closing() or self._ended:
            return
        if self._busy:
            self._transport.pause_reading()
        elif self._queue:
            self._transport.pause_reading()
            self._loop.call_soon(self._advance)
        elif self._parser.ended:
            self._end()
        elif not self._transport.is_reading():
            self._transport.resume_reading()

    def _answer(self, asked: Request | Response) -> None:
        if isinstance(asked, Response):
            self._host.refused(asked.body.decode().strip(), self.address)
            self._write(asked, with_body=True, last=True)
            return
        try:
            answer = self._host.answer(asked)
        except Exception:  # noqa: BLE001 - told with its traceback
            self._host.failed()
            answer = _FAILED
        if isinstance(answer, Response):
            self._write_to(asked, answer)
        else:
            self._making = self._loop.create_task(self._make(asked, answer))

    async def _make(self, request: Request, answer: Awaitable[Response]) -> None:
        try:
            response = await answer
        except Exception:  # noqa: BLE001 - told with its traceback
            self._host.failed()
            response = _FAILED
        self._making = None
        self._write_to(request, response)
        self._advance()

    def _write_to(self, request: Request, response: Response) -> None:
        last = self._last or not request.keep_alive or (self._parser.ended and not self._queue)
        self._write(response, with_body=request.method != "HEAD", last=last)

    def _write(self, response: Response, *, with_body: bool, last: bool) -> None:
        self._last = last
        head, body = response.head(self._host.date, close=last), response.body if with_body else b""
        if self._step_bytes:
            self._rest = memoryview(body)
            self._send(head)
        elif len(body) < _JOINED_BYTES:
            self._send(head + body)
        else:
            self._send(head)
            self._send(body)
        self._write_on()

    def _write_on(self) -> None:
        """Write what the client reads; when all of it is written, rest or end."""
        while self._rest and self._writable and not self._ended:
            step, self._rest = self._rest[: self._step_bytes], self._rest[self._step_bytes :]
            self._send(step)
        if self._rest or not self._writable:
            return
        self._busy = False
        if self._last:
            self._end()
        elif self._parser.in_request:
            self._turn_to(Doing.ASKING, REQUEST_SECONDS)
        else:
            self._turn_to(Doing.RESTING, IDLE_SECONDS)

    def _turn_to(self, doing: Doing, seconds: float) -> None:
        self.doing, self.since = doing, self._loop.time()
        self.deadline = self.since + seconds

    def _send(self, data: bytes | memoryview) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(data)

    def _end(self) -> None:
        """Close when all is sent. A client that is still sending is heard out for a moment, or it might lose the answer."""
        if self._ended or self._transport is None or self._transport.is_closing():
            return
        self._ended = True
        self._queue.clear()
        if self._parser.refused and self._transport.can_write_eof():
            self._transport.write_eof()
            self._transport.resume_reading()
            self.deadline = self._loop.time() + _LINGER_SECONDS
        else:
            self._transport.close()
