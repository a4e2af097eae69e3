"""What is read from a URL is told only where it is an exporter's that has read its ledgers."""

from __future__ import annotations

import pytest

from exporter.client import Client
from exporter.errors import RequestError
from exporter.report import source

FOREIGN = "# TYPE up gauge\nup 1.0\nprometheus_build_info 1.0\n"
BEFORE_ITS_FIRST_REFRESH = "# TYPE ledger_refresh_interval_seconds gauge\nledger_refresh_interval_seconds 15.0\n"
READ = (
    "# TYPE ledger_snapshot_timestamp_seconds gauge\nledger_snapshot_timestamp_seconds 1775779200.0\n"
    '# TYPE ledger_up gauge\nledger_up{ledger="cost"} 0.0\n'
)


class Page(Client):
    """A server with one page."""

    def __init__(self, content: bytes) -> None:
        self._content = content

    def get(self, _: str) -> bytes:
        """Return the page."""
        return self._content


@pytest.mark.parametrize("text", ["", FOREIGN, BEFORE_ITS_FIRST_REFRESH])
def test_who_is_no_exporter_or_has_read_nothing_is_an_error(text: str) -> None:
    """Five empty views would be taken for a platform that spends nothing."""
    with pytest.raises(RequestError, match=r"^http://h:1/metrics has no figures of a ledger-exporter that has read"):
        source.from_exporter(Page(text.encode()), "http://h:1?token=s3cret")


@pytest.mark.parametrize("content", [b"<html>", b"\xff\xfe", b'up{job="x} 1'])
def test_what_is_no_page_of_metrics_is_an_error(content: bytes) -> None:
    with pytest.raises(RequestError, match=r"^http://h:1/metrics is no page of metrics: "):
        source.from_exporter(Page(content), "http://h:1")


def test_why_a_ledger_cannot_be_read_is_in_the_exporters_log() -> None:
    found = source.from_exporter(Page(READ.encode()), "http://h:1")

    assert found.reasons["cost"] == "the exporter's log says why"
