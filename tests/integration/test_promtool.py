"""promtool, which knows what Prometheus accepts and how metrics ought to be named, has nothing to say."""

from __future__ import annotations

from datetime import UTC, datetime

import psycopg
import pytest

from exporter import config_file
from exporter.databases.postgresql import Source
from exporter.publishing.builder import Published
from exporter.publishing.exposition import IDENTITY, TEXT
from exporter.refresher import Refresher
from tests.oracle import Options
from tests.support.product import configuration
from tests.support.promtool import NOTHING_TO_SAY, check_metrics

pytestmark = pytest.mark.tools

NOON = datetime(2026, 4, 10, 12, tzinfo=UTC)

ODD = [
    '"',
    "\\",
    "a\nb",
    "\t\r\x01",
    "{}=,#",
    " ",
    "🚀" * 200,
    "x" * 10_000,
    "other",
    "unknown",
    "NaN",
    "\N{LINE SEPARATOR}",
]
"""Texts that real ledgers hold."""


def text(published: Published) -> bytes:
    """The text exposition of what was published."""
    return published.exposition.body((TEXT, IDENTITY))


def published(dsn: str) -> Published:
    """What is published after one refresh of a database."""
    config = config_file.parse(configuration([dsn], Options()))
    source = Source("shard0", config.sources["shard0"].conninfo({}), None, config.refresh.timeout)
    try:
        return Refresher.new(config, {"shard0": source}).run(NOON)
    finally:
        source.close()


def test_about_odd_labels(database: str) -> None:
    """In every column that becomes one."""
    with psycopg.connect(database) as platform, platform.cursor() as cursor:
        cursor.executemany(
            "insert into cost_ledger values (1, '2026-04-10 11:00Z', %(odd)s, %(odd)s, %(odd)s, %(odd)s, 1, 1, 1)",
            [{"odd": odd} for odd in ODD],
        )
        cursor.executemany(
            "insert into impact_ledger "
            "values (1, '2026-04-10 11:00Z', null, %(odd)s, %(odd)s, %(odd)s, %(odd)s, 5000, 1, %(n)s)",
            [{"odd": odd, "n": number} for odd in ODD for number in (0, 1)],
        )
        cursor.executemany(
            "insert into quest_budget_allocations values (%(odd)s, %(odd)s, '2026-04-10', 1, 1)",
            [{"odd": odd} for odd in ODD],
        )
    found = published(database)

    assert found.exposition.series > 1000
    assert check_metrics(text(found)) == NOTHING_TO_SAY


def test_about_empty_ledgers(database: str) -> None:
    assert check_metrics(text(published(database))) == NOTHING_TO_SAY


def test_before_anything_was_read() -> None:
    config = config_file.parse(configuration(["host=nowhere"], Options()))

    assert check_metrics(text(Refresher.new(config, {}).empty())) == NOTHING_TO_SAY


@pytest.mark.parametrize(
    "exposition",
    [
        b"# TYPE ledger_x gauge\nledger_x 1\n",
        b"# HELP ledger_x X.\n# TYPE ledger_x counter\nledger_x 1\n",
        b'ledger_x{quest="a"} 1\nledger_x{quest="a"} 2\n',
        b'ledger_x{quest="a\nb"} 1\n',
    ],
    ids=["no help", "a counter without _total", "two samples of one series", "a broken label"],
)
def test_it_would_say_something_if_there_were(exposition: bytes) -> None:
    """A check that cannot fail is none."""
    assert check_metrics(exposition)[0] != 0
