"""Requests from bytes: the same however they are cut, nothing beyond the limits, and nothing that raises."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from exporter.web.messages import Request, Response
from exporter.web.parser import BODY_BYTES, HEAD_BYTES, MAX_HEADERS, MAX_PIPELINED, RequestParser

GET = b"GET /metrics HTTP/1.1\r\nHost: me\r\n"
SIMPLE = GET + b"\r\n"


def fed(*parts: bytes) -> list[Request | Response]:
    parser = RequestParser("192.0.2.1")
    return [found for part in parts for found in parser.feed(part)]


def statuses(*parts: bytes) -> list[int]:
    """What is found: a refusal's status, and 200 for a request."""
    return [found.status if isinstance(found, Response) else 200 for found in fed(*parts)]


def request(data: bytes) -> Request:
    (found,) = fed(data)
    assert isinstance(found, Request)
    return found


def test_a_request_is_what_pages_need_of_it() -> None:
    data = b"HEAD /-/ready?x=1 HTTP/1.1\r\nHost: me\r\nACCEPT: a\r\nAuthorization: Basic x\r\nCookie: secret\r\n\r\n"

    assert request(data) == Request(
        "HEAD", "/-/ready", {"accept": "a", "authorization": "Basic x"}, "192.0.2.1", keep_alive=True
    )


def test_headers_of_one_name_are_one_list() -> None:
    assert request(GET + b"Accept: a\r\naccept: b\r\n\r\n").headers == {"accept": "a, b"}


@pytest.mark.parametrize(
    ("target", "path"),
    [
        (b"/", "/"), (b"/a?b=/c", "/a"), (b"/%6detrics", "/metrics"), (b"/%2e%2e/x", "/../x"), (b"//metrics", "//metrics"),
        (b"http://host:1/metrics?x", "/metrics"), (b"http://host", "http://host"), (b"*", "*"), (b"/%ff%zz", "/\ufffd%zz"),
    ],
)  # fmt: skip
def test_the_path_is_decoded_and_has_no_query(target: bytes, path: str) -> None:
    assert request(b"OPTIONS " + target + b" HTTP/1.1\r\nHost: me\r\n\r\n").path == path


@pytest.mark.parametrize(
    ("data", "keep_alive"),
    [
        (SIMPLE, True), (GET + b"Connection: close\r\n\r\n", False), (b"GET / HTTP/1.0\r\n\r\n", False),
        (b"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", True),
    ],
)  # fmt: skip
def test_who_closes_is_known(data: bytes, *, keep_alive: bool) -> None:
    assert request(data).keep_alive is keep_alive


@pytest.mark.parametrize(
    "data",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",  # a TLS client hello
        b"GET\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n", b"get / http/1.1\r\n\r\n", b"SSH-2.0-OpenSSH\r\n", b"PRI * HTTP/2.0\r\n\r\n",
        b"GET / HTTP/1.1\r\nno colon\r\n\r\n", b"GET / HTTP/1.1\r\nA : b\r\n\r\n", b"GET / HTTP/1.1\r\nA: b\0\r\n\r\n",
        b"POST / HTTP/1.1\r\nContent-Length: -1\r\n\r\n", b"POST / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
        b"POST / HTTP/1.1\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    ],
)  # fmt: skip
def test_what_is_no_request_is_refused_once(data: bytes) -> None:
    assert statuses(data, SIMPLE) == [400]


def test_what_came_before_a_bad_request_is_answered() -> None:
    assert statuses(SIMPLE + SIMPLE + b"nonsense\r\n\r\n" + SIMPLE) == [200, 200, 400]


def test_a_body_is_read_past() -> None:
    posted = b"POST / HTTP/1.1\r\nContent-Length: 5\r\n\r\nhello"

    assert statuses(posted + SIMPLE) == [200, 200]
    assert statuses(b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\nAccept: x\r\n\r\n") == [200]


def test_what_follows_a_body_is_no_header() -> None:
    chunked = b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\nAuthorization: x\r\n\r\n"

    assert request(chunked).headers == {}


@pytest.mark.parametrize("upgrade", [b"h2c", b"websocket"])
def test_another_protocol_is_not_spoken(upgrade: bytes) -> None:
    parser = RequestParser()
    found = parser.feed(GET + b"Connection: Upgrade\r\nUpgrade: " + upgrade + b"\r\n\r\nPRI * HTTP/2.0")

    assert [type(one) for one in found] == [Request]
    assert parser.ended


class TestLimits:
    @pytest.mark.parametrize("step", [1, 1000, 10**6])
    def test_a_long_head(self, step: int) -> None:
        for data in (
            GET + b"Cookie: " + b"x" * HEAD_BYTES + b"\r\n\r\n",
            b"GET /" + b"x" * HEAD_BYTES + b" HTTP/1.1\r\n\r\n",
            GET + b"x" * HEAD_BYTES + b": y\r\n\r\n",
            GET + b"a: b\r\n" * MAX_HEADERS + b"\r\n",
        ):
            assert statuses(*(data[at : at + step] for at in range(0, len(data), step))) == [431]

    @pytest.mark.parametrize("cut", [1, 1040, 20_000, 36_000])
    def test_what_is_too_long_and_malformed_is_refused_for_either(self, cut: int) -> None:
        """Which of the two is noticed first depends on how it comes."""
        data = b"GET " + b"x" * 36_000 + b" HTTP/1.1\r\n\r\n"

        assert statuses(data[:cut], data[cut:]) in ([400], [431])

    def test_a_head_that_never_ends(self) -> None:
        parser = RequestParser()
        fed_bytes = 0
        while not parser.ended:
            parser.feed(b"GET / HTTP/1.1\r\nCookie: " if not fed_bytes else b"x" * 1000)
            fed_bytes += 1000

        assert parser.refused
        assert fed_bytes < 2 * HEAD_BYTES

    def test_a_usual_head_with_large_cookies_is_fine(self) -> None:
        assert statuses(GET + b"Cookie: " + b"x" * 16_000 + b"\r\n\r\n") == [200]

    def test_many_small_requests_are_not_one_long_head(self) -> None:
        data = SIMPLE * 50

        assert statuses(*([data] * 20)) == [200] * 1000

    def test_a_long_body(self) -> None:
        post = b"POST / HTTP/1.1\r\nContent-Length: %d\r\n\r\n"

        assert statuses(post % BODY_BYTES + b"x" * BODY_BYTES) == [200]
        assert statuses(post % (BODY_BYTES + 1) + b"x" * (BODY_BYTES + 1)) == [413]

    def test_a_long_trailer(self) -> None:
        chunked = b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n"

        assert statuses(chunked + b"a: b\r\n" * (MAX_HEADERS + 1) + b"\r\n") == [431]
        assert statuses(chunked, *([b"Cookie: "] + [b"x" * 1000] * 100)) == [413]

    def test_too_many_at_once(self) -> None:
        assert statuses(SIMPLE * MAX_PIPELINED) == [200] * MAX_PIPELINED
        assert statuses(SIMPLE * (MAX_PIPELINED + 1)) == [*[200] * MAX_PIPELINED, 429]


PIECES = st.sampled_from(
    [b"GET", b"POST", b" ", b"/metrics", b"*", b"HTTP/1.1", b"HTTP/1.0", b"\r\n", b"\r\n\r\n", b"\n", b":", b"a: b\r\n",
     b"Content-Length: 3\r\n", b"Transfer-Encoding: chunked\r\n", b"Expect: 100-continue\r\n", b"Upgrade: h2c\r\n",
     b"Connection: Upgrade\r\n", b"Connection: close\r\n", b"0\r\n", b"3\r\nabc\r\n", b"abc", SIMPLE]
)  # fmt: skip
STREAMS = st.lists(PIECES | st.binary(max_size=20), max_size=40).map(b"".join)


@given(STREAMS | st.binary(max_size=300), st.lists(st.integers(0, 300), max_size=10))
@example(SIMPLE * 3, [1, 2, 30])
def test_however_it_is_cut_it_says_the_same(data: bytes, cuts: list[int]) -> None:
    edges = [0, *sorted(min(cut, len(data)) for cut in cuts), len(data)]
    parts = [data[begin:end] for begin, end in pairwise(edges)]
    whole = fed(data)

    assert whole == fed(*parts)
    assert sum(isinstance(found, Response) for found in whole) <= 1
    assert all(isinstance(found, Request) for found in whole[:-1])
