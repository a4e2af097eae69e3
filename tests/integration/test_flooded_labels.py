"""Labels without end: ten thousand quests, five thousand providers, texts of a megabyte. Folded within limits, sums whole."""

from __future__ import annotations

import math
from collections.abc import Iterator
from datetime import UTC, datetime

import psycopg
import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics

from exporter import config_file
from exporter.databases.postgresql import Source
from exporter.publishing.builder import Published
from exporter.publishing.exposition import IDENTITY, OPENMETRICS, TEXT
from exporter.refresher import Refresher
from tests.support import postgres
from tests.support.ledgers import create_ledgers
from tests.support.promtool import NOTHING_TO_SAY, check_metrics

pytestmark = pytest.mark.tools

NOON = datetime(2026, 4, 10, 12, tzinfo=UTC)
CHARGES, QUESTS, PROVIDERS = 10_000, 10_000, 5_000
FAMILIES = 100
LONG = "repeat('m', 1000000)"

FLOOD = f"""
create index on cost_ledger (created_at);
create index on impact_ledger (created_at);
insert into cost_ledger
select n, timestamptz '2026-04-10 11:00Z' - n * interval '1 minute',
       'vendor-' || lpad((n % {PROVIDERS})::text, 4, '0'),
       'model-' || n % 700 || case when n % 3000 = 0 then {LONG} else '' end,
       'task-' || n || case when n % 3000 = 0 then {LONG} else '' end, 'quest-' || n % {QUESTS}, 100, 10, 1 + n % 7
from generate_series(1, {CHARGES}) as n;
insert into impact_ledger
select n, timestamptz '2026-04-10 11:00Z' - n * interval '1 minute', null, 'task-' || n,
       'Title ' || case when n % 3000 = 0 then {LONG} else '' end, 'quest-' || n % {QUESTS},
       'layer-' || n % 200 || case when n % 3000 = 0 then {LONG} else '' end, 5000, 1 + n % 7, n % 2
from generate_series(1, {CHARGES}) as n;
insert into quest_budget_allocations
select 'quest-' || n, 'Quest ' || case when n % 3000 = 0 then n || {LONG} else n::text end, '2026-04-10', 1 + n % 5, 1
from generate_series(0, {QUESTS} - 1) as n;
"""
CONFIGURATION = """
sources: {{main: {{dsn: "{dsn}"}}}}
ledgers: {{cost: {{source: main}}, impact: {{source: main}}, budget: {{source: main}}}}
refresh: {{timeout: 60s}}
{limits}
providers:
{patterns}
"""
PATTERNS = "\n".join(f'  - {{pattern: "{family:02d}$", family: "Family {family:02d}"}}' for family in range(FAMILIES))
LABEL_LIMITS = {"quest": 500, "model": 200, "provider": 50, "layer": 50}


def published(dsn: str, limits: str = "") -> Published:
    """What is published of the flood."""
    config = config_file.parse(CONFIGURATION.format(dsn=dsn, patterns=PATTERNS, limits=limits))
    source = Source("main", config.sources["main"].conninfo({}), None, config.refresh.timeout)
    try:
        refresh = Refresher.new(config, {"main": source})
        found = refresh.run(NOON)
        while refresh.is_loading:
            refresh.load(NOON, 60)
            found = refresh.run(NOON)
        return found
    finally:
        source.close()


@pytest.fixture(scope="module")
def flood(server: postgres.Server) -> Iterator[str]:
    """Ledgers with more labels than anybody can look at."""
    name = server.create_database(create_ledgers)
    with psycopg.connect(server.dsn(name), autocommit=True) as connection:
        connection.execute(FLOOD)
    yield server.dsn(name)
    server.drop_database(name)


@pytest.mark.parametrize("series", [50_000, 16_000])
def test_labels_are_folded_within_limits_and_sums_stay_whole(
    flood: str, series: int, caplog: pytest.LogCaptureFixture
) -> None:
    """Whatever limits leave out is in `other`: every way to add up gives the whole, and promtool has nothing to say."""
    found = published(flood, f"limits: {{series: {series}}}")
    text = found.exposition.body((TEXT, IDENTITY))
    openmetrics = found.exposition.body((OPENMETRICS, IDENTITY)).decode()
    samples = [sample for metric in parse_openmetrics(openmetrics) for sample in metric.samples]
    spent = sum(1 + n % 7 for n in range(1, CHARGES + 1))
    allocated = sum(1 + n % 5 for n in range(QUESTS))

    assert found.exposition.series <= series
    assert max(len(value) for sample in samples for value in sample.labels.values()) <= 120
    for label, limit in LABEL_LIMITS.items():
        values = {sample.labels[label] for sample in samples if label in sample.labels} - {"other", "unknown"}
        assert len(values) <= limit, label
    for metric, total in {
        "ledger_provider_spend_usd": spent,
        "ledger_model_spend_usd": spent,
        "ledger_quest_spend_usd": spent,
        "ledger_quest_provider_spend_usd": spent,
        "ledger_impact_cost_usd": spent,
        "ledger_quest_allocated_usd": allocated,
    }.items():
        values = [sample.value for sample in samples if sample.name == metric and sample.labels["window"] == "all"]
        assert math.fsum(values) == total, metric
    folded = [found.snapshot.folded[label] for label in LABEL_LIMITS]
    least = [QUESTS - 500, 703 - 200, FAMILIES - 50, 201 - 50]
    assert folded == least or (series < 50_000 and all(map(int.__ge__, folded, least)))
    assert check_metrics(text) == NOTHING_TO_SAY
    assert len([record for record in caplog.records if "labels are folded" in record.getMessage()]) <= 2
    assert bool(caplog.records) == (series < 50_000)
