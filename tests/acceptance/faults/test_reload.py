"""Sources come, go and change by a reload: figures are those of the old ones or of the new ones, never of both or half."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
import yaml

from tests.support import postgres
from tests.support.comparison import as_published, check, snapshot_instant
from tests.support.exporter_process import Exporter, Samples, sample
from tests.support.ledgers import create_ledgers

pytestmark = pytest.mark.slow

CHARGES = """
insert into cost_ledger (id, created_at, provider, cost_usd) select n, now(), 'glm', 1 from generate_series(1, {}) as n
"""
SPEND = sample("ledger_provider_spend_usd", provider="GLM", window="all")
LOADED_AT = sample("ledger_config_last_reload_success_timestamp_seconds")


@pytest.fixture
def shards(server: postgres.Server) -> Iterator[list[str]]:
    """Two databases with 100 and 7 dollars."""
    names = [server.create_database(create_ledgers) for _ in range(2)]
    for name, charges in zip(names, (100, 7), strict=True):
        with psycopg.connect(server.dsn(name), autocommit=True) as connection:
            connection.execute(CHARGES.format(charges))
    yield [server.dsn(name) for name in names]
    for name in names:
        server.drop_database(name)


def configure(file: Path, dsns: list[str]) -> Path:
    """Write a configuration in which every ledger is spread over databases."""
    sources = {f"shard{number}": {"dsn": dsn} for number, dsn in enumerate(dsns)}
    settings = {
        "sources": sources,
        "ledgers": {ledger: {"sources": list(sources)} for ledger in ("cost", "impact", "budget")},
        "refresh": {"interval": "200ms"},
    }
    file.write_text(yaml.safe_dump(settings))
    return file


def test_sources_by_reload(shards: list[str], tmp_path: Path) -> None:
    """One is added, the first is taken away, and the one left becomes another database."""
    config = configure(tmp_path / "c.yml", shards[:1])
    spent = 100.0
    with Exporter(config) as exporter:
        exporter.until(lambda scrape: scrape.get(SPEND) == 100)
        for dsns, spend in ((shards, 107.0), (shards[1:], 7.0), (shards[:1], 100.0)):
            loaded_at = exporter.scrape()[LOADED_AT]
            configure(config, dsns)
            exporter.send(signal.SIGHUP)
            seen: list[Samples] = []

            def is_adopted(scrape: Samples, loaded_at: float = loaded_at, spend: float = spend, seen=seen) -> bool:
                seen.append(scrape)
                return scrape[LOADED_AT] > loaded_at and scrape[SPEND] == spend

            scrape = exporter.until(is_adopted)
            assert {one[SPEND] for one in seen} <= {spent, spend}
            assert {one[sample("ledger_up", ledger="cost")] for one in seen} == {1}
            sources = {dict(labels)["source"] for name, labels in scrape if name == "ledger_source_up"}
            assert sources == {f"shard{number}" for number in range(len(dsns))}
            check(dsns, snapshot_instant(scrape), as_published(scrape))
            spent = spend
