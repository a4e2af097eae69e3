"""What is asked and what is answered: a request as far as the pages care, and a response as bytes."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from http import HTTPStatus

PLAIN = "text/plain; charset=utf-8"
HTML = "text/html; charset=utf-8"

_STATUS_LINES = {status.value: f"HTTP/1.1 {status.value} {status.phrase}\r\n" for status in HTTPStatus}


@dataclass(slots=True)
class Request:
    """A request. `headers` has those that matter here, by lower-case name; `address` is the client's."""

    method: str
    path: str
    headers: Mapping[str, str] = field(default_factory=dict)
    address: str = ""
    keep_alive: bool = True


@dataclass(frozen=True, slots=True)
class Response:
    """A whole response."""

    status: int
    content_type: str
    body: bytes
    headers: tuple[tuple[str, str], ...] = ()

    def with_headers(self, headers: Mapping[str, str]) -> Response:
        """Return the response with further headers; they replace those of the same name."""
        return replace(self, headers=tuple({**dict(self.headers), **headers}.items())) if headers else self

    def head(self, date: str, *, close: bool) -> bytes:
        """Return the status line and the headers, to the empty line."""
        headers = (*self.headers, ("Connection", "close")) if close else self.headers
        further = "".join([f"{name}: {value}\r\n" for name, value in headers])
        return (
            f"{_STATUS_LINES[self.status]}Date: {date}\r\nContent-Type: {self.content_type}\r\n"
            f"Content-Length: {len(self.body)}\r\nX-Content-Type-Options: nosniff\r\n{further}\r\n"
        ).encode("latin-1")


Answer = Callable[[Request], Response | Awaitable[Response]]
"""Whatever answers requests: at once where it can, else later."""


def plain(status: int, text: str, *headers: tuple[str, str]) -> Response:
    """Return a response of one line of text."""
    return Response(status, PLAIN, f"{text}\n".encode(), headers)
