"""Content negotiation and listen addresses."""

from __future__ import annotations

import socket

import pytest

from exporter.errors import ExporterError
from exporter.publishing.exposition import GZIP, IDENTITY, OPENMETRICS, TEXT
from exporter.web.addresses import listen, parse_address
from exporter.web.negotiation import accepts_gzip, negotiate, wanted

PROMETHEUS = (
    "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,"
    "text/plain;version=0.0.4;q=0.5,*/*;q=0.1"
)


@pytest.mark.parametrize(
    ("accept", "expected"),
    [
        ("", TEXT),
        ("*/*", TEXT),
        ("text/html,application/xhtml+xml,*/*;q=0.8", TEXT),
        ("text/plain", TEXT),
        (PROMETHEUS, OPENMETRICS),
        ("application/openmetrics-text", OPENMETRICS),
        ("Application/OpenMetrics-Text; Version=1.0.0; Charset=utf-8", OPENMETRICS),
        ("application/openmetrics-text;version=0.0.1", OPENMETRICS),
        ("application/openmetrics-text;version=2.0.0", TEXT),
        ("application/openmetrics-text;q=0", TEXT),
        ("application/openmetrics-text;q=0.3,text/plain;q=0.7", TEXT),
        ("text/plain;q=0.3 , application/openmetrics-text ; q=0.7", OPENMETRICS),
        ("application/openmetrics-text;q=nonsense", TEXT),
        ("application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily,text/plain;q=0.5", TEXT),
        (",;,=;q=,", TEXT),
    ],
)
def test_the_best_format_that_is_asked_for_is_served_else_text(accept: str, expected: str) -> None:
    assert negotiate(accept) == expected


@pytest.mark.parametrize(
    ("accept_encoding", "expected"),
    [
        ("", False),
        ("identity", False),
        ("gzip", True),
        ("GZIP", True),
        ("deflate, gzip;q=0.5", True),
        ("gzip;q=0", False),
        ("gzip;q=0.000", False),
        ("*", True),
        ("*;q=0", False),
        ("*;q=0, gzip;q=1", True),
        ("*, gzip;q=0", False),
        ("gzip;q=nonsense", False),
        ("x-gzipped", False),
    ],
)
def test_gzip_is_sent_to_those_who_accept_it(accept_encoding: str, *, expected: bool) -> None:
    assert accepts_gzip(accept_encoding) is expected


@pytest.mark.parametrize("accept", [PROMETHEUS, PROMETHEUS + "," * 2000])
def test_both_headers_decide_however_long_they_are(accept: str) -> None:
    assert wanted(accept, "gzip") == (OPENMETRICS, GZIP)
    assert wanted(accept, "") == (OPENMETRICS, IDENTITY)


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        (":9851", ("", 9851)),
        ("127.0.0.1:0", ("127.0.0.1", 0)),
        ("localhost:65535", ("localhost", 65535)),
        ("[::1]:9851", ("::1", 9851)),
    ],
)
def test_an_address_is_a_host_and_a_port(address: str, expected: tuple[str, int]) -> None:
    assert parse_address(address) == expected


@pytest.mark.parametrize(
    "address", ["", "9851", "localhost", "::1:9851", "localhost:65536", "localhost:-1", "a:b", "[::1]"]
)
def test_anything_else_is_refused(address: str) -> None:
    with pytest.raises(ExporterError, match=r"must be host:port, \[ipv6\]:port or :port"):
        parse_address(address)


def test_a_port_that_is_taken_is_told() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        with pytest.raises(ExporterError) as caught:
            listen(address)

    assert str(caught.value) == f"cannot listen on {address}: Address already in use"


@pytest.mark.parametrize("address", ["host.invalid:0", "192.0.2.1:0"])
def test_an_address_that_is_not_this_machines_is_told(address: str) -> None:
    with pytest.raises(ExporterError, match=f"cannot listen on {address}: "):
        listen(address)


def test_no_host_is_every_interface() -> None:
    with listen(":0") as everywhere:
        port = everywhere.getsockname()[1]
        socket.create_connection(("127.0.0.1", port), timeout=60).close()
