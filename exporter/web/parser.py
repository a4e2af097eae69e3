"""Bytes to requests: HTTP/1.1 as llhttp reads it, strictly and within limits. Knows no socket."""

from __future__ import annotations

from functools import cached_property
from urllib.parse import unquote

import httptools

from exporter.web.messages import Request, Response, plain

HEAD_BYTES = 32_768
"""The longest request line and headers together."""
MAX_HEADERS = 100
BODY_BYTES = 65_536
"""The longest body. No page reads one."""
MAX_PIPELINED = 100
"""How many requests may come at once, before the first of them is answered."""

_STEP_BYTES = 16_384
_WANTED = frozenset({b"accept", b"accept-encoding", b"authorization", b"expect"})

_BAD_REQUEST = plain(400, "400 bad request")
_BODY_TOO_LARGE = plain(413, "413 content too large")
_TOO_MANY = plain(429, "429 too many requests at once")
_HEAD_TOO_LARGE = plain(431, "431 request header fields too large")


class _RefusedError(Exception):
    """A request beyond a limit."""

    def __init__(self, response: Response) -> None:
        self.response = response


class RequestParser:
    """Reads what one client sends."""

    def __init__(self, address: str = "") -> None:
        """`address` is the client's."""
        self.address = address
        self.ended = False
        """Whether nothing more is read: after a refusal, or where another protocol would begin."""
        self.refused = False
        """Whether a request was refused."""
        self.awaited = False
        """Whether the client waits for `100 Continue` before it sends a body."""
        self._found: list[Request | Response] = []
        self._begin()

    @cached_property
    def _llhttp(self) -> httptools.HttpRequestParser:
        """The reader of bytes. It and this parser hold each other, from the first byte until the end."""
        return httptools.HttpRequestParser(self)

    @property
    def in_request(self) -> bool:
        """Whether a request has begun that is not complete."""
        return self._in_message

    def end(self) -> None:
        """Read nothing more. What has been ended is freed with its last user; else it is left for a search for garbage."""
        self.ended = True
        vars(self).pop("_llhttp", None)

    def feed(self, data: bytes) -> list[Request | Response]:
        """Return the requests that are complete now, in order; a response at the end is the refusal of the next one."""
        self._found = []
        for start in range(0, len(data), _STEP_BYTES):
            if self.ended:
                break
            self._feed(data[start : start + _STEP_BYTES])
        return self._found

    def _feed(self, data: bytes) -> None:
        continued = self._in_message
        try:
            self._llhttp.feed_data(data)
            if continued and self._in_message:
                self._wait(len(data))
        except httptools.HttpParserUpgrade:
            self.end()
        except (httptools.HttpParserError, _RefusedError) as error:
            self._found.append(_refusal(error))
            self.refused = True
            self.end()

    def _begin(self) -> None:
        self._target = b""
        self._headers: dict[str, str] = {}
        self._head_bytes = self._pending_bytes = self._body_bytes = self._header_count = 0
        self._in_message = self._in_head = False

    def _wait(self, further_bytes: int) -> None:
        """Count what came of a message that is not complete, all of it: what is in the middle of a header is seen by nobody."""
        self._pending_bytes += further_bytes
        if self._in_head and self._pending_bytes > HEAD_BYTES:
            raise _RefusedError(_HEAD_TOO_LARGE)
        if self._pending_bytes > HEAD_BYTES + BODY_BYTES:
            raise _RefusedError(_BODY_TOO_LARGE)

    # llhttp calls what follows.

    def on_message_begin(self) -> None:
        """Begin a request."""
        self._begin()
        self._in_message = self._in_head = True

    def on_url(self, part: bytes) -> None:
        """Take the target, or a part of it."""
        self._target += part
        self._grow(len(part))

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take a header; those of one name are one list. What follows a body counts, and is not taken."""
        self._header_count += 1
        self._grow(len(name) + len(value))
        name = name.lower()
        if name in _WANTED and self._in_head:
            key, text = name.decode(), value.decode("latin-1")
            self._headers[key] = f"{self._headers[key]}, {text}" if key in self._headers else text

    def on_headers_complete(self) -> None:
        """Note whether the client waits."""
        self._in_head = False
        self.awaited = self._headers.get("expect", "").lower() == "100-continue"

    def on_body(self, body: bytes) -> None:
        """Count."""
        self._body_bytes += len(body)
        if self._body_bytes > BODY_BYTES:
            raise _RefusedError(_BODY_TOO_LARGE)

    def on_message_complete(self) -> None:
        """Take the request."""
        self._in_message = self.awaited = False
        if len(self._found) >= MAX_PIPELINED:
            raise _RefusedError(_TOO_MANY)
        method, keep_alive = self._llhttp.get_method().decode(), self._llhttp.should_keep_alive()
        self._found.append(Request(method, _path(self._target), self._headers, self.address, keep_alive))

    def _grow(self, further_bytes: int) -> None:
        self._head_bytes += further_bytes
        if self._head_bytes > HEAD_BYTES or self._header_count > MAX_HEADERS:
            raise _RefusedError(_HEAD_TOO_LARGE)


def _refusal(error: BaseException) -> Response:
    """Return how a request is refused. What the methods above raise comes out of llhttp as the context of its own error."""
    reason = error if isinstance(error, _RefusedError) else error.__context__
    return reason.response if isinstance(reason, _RefusedError) else _BAD_REQUEST


def _path(target: bytes) -> str:
    """Return the path a target names, decoded; a target without a path is itself, and names no page."""
    if not target.startswith(b"/"):
        try:
            target = httptools.parse_url(target).path or target
        except httptools.HttpParserInvalidURLError:
            return target.decode("latin-1")
    path = target.partition(b"?")[0].decode("latin-1")
    return unquote(path) if "%" in path else path
