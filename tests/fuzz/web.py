"""What comes over the network, and the web configuration: an input must raise nothing, and mean the same in pieces."""

from __future__ import annotations

from exporter.errors import ConfigError
from exporter.web.authentication import credentials
from exporter.web.config_file import parse
from exporter.web.messages import Request, Response
from exporter.web.negotiation import wanted
from exporter.web.parser import HEAD_BYTES, MAX_PIPELINED, RequestParser

PIECES = [
    b"GET ", b"POST ", b"HEAD ", b"/metrics", b"http://me/", b" HTTP/1.1\r\n", b" HTTP/1.0\r\n", b"\r\n", b"\r\n\r\n", b": ",
    b"Host: me\r\n", b"Accept: text/plain;q=0.5,*/*\r\n", b"Accept-Encoding: gzip;q=1\r\n", b"Authorization: Basic YTpi\r\n",
    b"Connection: close\r\n", b"Connection: keep-alive\r\n", b"Connection: Upgrade\r\n", b"Upgrade: h2c\r\n",
    b"Expect: 100-continue\r\n", b"Content-Length: 3\r\n", b"Content-Length: 70000\r\n", b"Transfer-Encoding: chunked\r\n",
    b"3\r\nabc\r\n", b"0\r\n\r\n", b"0\r\nA: b\r\n\r\n", b"a" * 9000, b"a: b\r\n" * 60,
    b"GET / HTTP/1.1\r\n\r\n" * 40, b"GET / HTTP/1.1\r\nHost: me\r\n\r\n", b"%2e%ff", b"\0", b"\xff",
]  # fmt: skip
"""What the bytes from 0xE0 on stand for: the parser is native, so coverage alone finds no way into it."""

SCRAPE = b"""\
GET /metrics HTTP/1.1\r
Host: me\r
Accept: application/openmetrics-text;version=1.0.0;q=0.5,text/plain\r
Accept-Encoding: gzip\r
\r
"""
RELOAD = b"""\
POST http://me/-/reload?a=%20 HTTP/1.1\r
Host: me\r
Authorization: Basic YTpi\r
Expect: 100-continue\r
Transfer-Encoding: chunked\r
\r
3\r
abc\r
0\r
A: b\r
\r
"""
SEEDS = [b"\2" + SCRAPE, b"\2" + RELOAD]


def expanded(data: bytes) -> bytes:
    """Return what a client sends, with whole pieces in the place of some bytes."""
    return b"".join(PIECES[byte - 0xE0] if byte >= 0xE0 else bytes([byte]) for byte in data)


def requests(data: bytes) -> None:
    """Feed bytes whole and in two pieces; follow what is found to where it is used."""
    cut = data[0] * 16 if data else 0
    data = expanded(data[1:200])
    parser = RequestParser()
    whole = parser.feed(data)
    pieces = RequestParser()
    found = pieces.feed(data[:cut]) + pieces.feed(data[cut:])
    assert whole == found or (near_a_limit(data, found) and read_alike(whole, found))
    for one in whole:
        if isinstance(one, Request):
            wanted(one.headers.get("accept", ""), one.headers.get("accept-encoding", ""))
            credentials(one.headers.get("authorization", ""))
    assert [one for one in whole[:-1] if isinstance(one, Response)] == []


def near_a_limit(data: bytes, found: list[Request | Response]) -> bool:
    """Tell whether it depends on the pieces at which byte a limit is noticed, and so perhaps under which status."""
    return len(data) > HEAD_BYTES or len(found) > MAX_PIPELINED


def read_alike(one: list[Request | Response], other: list[Request | Response]) -> bool:
    """Tell whether the same requests are read, up to a refusal."""
    refused = any(isinstance(found, Response) for found in one + other)
    fewer, more = sorted(([found for found in found if isinstance(found, Request)] for found in (one, other)), key=len)
    return more[: len(fewer)] == fewer and (refused or more == fewer)


HASH = "$2y$10$abcdefghijklmnopqrstuuAbCdEfGhIjKlMnOpQrStUvWxYz01234"
KEYS = [
    "tls_server_config", "http_server_config", "basic_auth_users", "rate_limit", "cert_file", "key_file", "cert", "key",
    "client_ca_file", "client_auth_type", "client_allowed_sans", "min_version", "cipher_suites", "curve_preferences",
    "headers", "http2", "interval", "burst", "X-Frame-Options", "RequireAndVerifyClientCert", "TLS12", "X25519", "1s", "deny",
    HASH, ": ", "\n  ", "\n", "{", "}", "[", "]",
]  # fmt: skip


def configuration(data: bytes) -> None:
    """Read bytes as a web configuration; those from 0xE0 on stand for its words."""
    text = "".join(KEYS[byte - 0xE0] if byte >= 0xE0 else chr(byte) for byte in data)
    try:
        parse(text, "web.yml")
    except ConfigError as error:
        if not error.problems or HASH in str(error):
            raise
