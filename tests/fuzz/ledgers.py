"""Ledger contents: whatever is booked, every format parses strictly, says the same, and Prometheus has nothing to object."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from itertools import count

from hypothesis import strategies as st
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse_text

from exporter import config_file
from exporter.databases.postgresql import Source
from exporter.publishing.exposition import IDENTITY, OPENMETRICS, TEXT, Exposition
from exporter.refresher import Refresher
from tests.oracle import Options
from tests.support import postgres
from tests.support.histories import Ledgers, Platform, moments
from tests.support.ledgers import create_ledgers
from tests.support.product import configuration
from tests.support.promtool import NOTHING_TO_SAY, check_metrics

Moment = tuple[datetime, Ledgers]
LIMITED = Options(quests=3, models=2, provider_limit=2, layers=2, combinations=4)
PROMTOOL_EVERY = 10
strategy: st.SearchStrategy[Moment] = moments()


class Books:
    """A database, and what is published of what was drawn."""

    def __init__(self, dsn: str) -> None:
        self._dsn = dsn
        self._count = count(1)

    def __call__(self, moment: Moment) -> None:
        """Book it, refresh once under each of two configurations, and parse all that is published."""
        now, ledgers = moment
        with Platform(self._dsn) as platform:
            platform.begin(ledgers)
            for options in (Options(), LIMITED):
                exposition = self._published(now, options)
                parses(exposition)
                if next(self._count) % PROMTOOL_EVERY == 0:
                    promtool_accepts(exposition)

    def _published(self, now: datetime, options: Options) -> Exposition:
        config = config_file.parse(configuration([self._dsn], options))
        source = Source("shard0", config.sources["shard0"].conninfo({}), None, config.refresh.timeout)
        try:
            published = Refresher.new(config, {"shard0": source}).run(now)
        finally:
            source.close()
        assert [health.error for health in published.snapshot.health.values()] == [None] * 3
        return published.exposition


def parses(exposition: Exposition) -> None:
    """Check that both formats are understood, strictly, and say the same."""
    text = exposition.body((TEXT, IDENTITY)).decode()
    openmetrics = exposition.body((OPENMETRICS, IDENTITY)).decode()
    said = [
        {
            (sample.name, tuple(sorted(sample.labels.items()))): repr(sample.value)
            for metric in families
            for sample in metric.samples
            if sample.name.startswith("ledger_")
        }
        for families in (parse_text(text), parse_openmetrics(openmetrics))
    ]
    assert said[0] == said[1]
    assert len(said[0]) == exposition.series


def promtool_accepts(exposition: Exposition) -> None:
    """Check that Prometheus' own tool parses it and has nothing to say."""
    assert check_metrics(exposition.body((TEXT, IDENTITY))) == NOTHING_TO_SAY


@contextmanager
def books() -> Iterator[Books]:
    """Ledgers on a server of their own."""
    server = postgres.start(postgres.embedded_bin())
    try:
        name = server.create_database(create_ledgers)
        yield Books(server.dsn(name))
    finally:
        server.stop()
