"""A real Prometheus, with the configuration of this repository, scrapes the running command and answers with the truth."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import psycopg
import pytest

from tests.support.days import skip_shortly_before_midnight
from tests.support.exporter_process import ROOT, Exporter, eventually
from tests.support.ledgers import configure
from tests.support.processes import free_port
from tests.support.prometheus import PrometheusApi
from tests.support.tools import tool

pytestmark = pytest.mark.tools

TODAY = "date_trunc('day', now() at time zone 'utc') at time zone 'utc'"
"""The beginning of the UTC day, as an instant."""


class Truth(NamedTuple):
    """A question in PromQL, the label it answers by, and the same question in SQL."""

    promql: str
    label: str
    sql: str


TRUTHS = {
    "allocation": Truth(
        "max without (instance, pod) (ledger_quest_budget_usd)",
        "quest",
        """
        select quest_name, sum(allocated_usd)
        from quest_budget_allocations
        where day = (now() at time zone 'utc')::date
        group by 1
        """,
    ),
    "utilization": Truth(
        'max without (instance, pod) (ledger_quest_spend_usd{window="30d"})',
        "quest",
        f"""
        select 'Quest ' || right(quest_id, 1), sum(cost_usd)
        from cost_ledger
        where created_at >= {TODAY} - interval '29 days'
        group by 1
        """,
    ),
    "providers": Truth(
        'max without (instance, pod) (ledger_provider_spend_usd{window="all"})'
        ' / on (provider) max without (instance, pod) (ledger_provider_tasks{window="all"})',
        "provider",
        """
        select
            case when provider is null then 'unknown' when provider ~* 'minimax|^max$' then 'MiniMax'
                when provider ~* 'codex' then 'Codex' when provider ~* 'bedrock' then 'Bedrock' end,
            sum(cost_usd) / count(distinct task_id)
        from cost_ledger
        group by 1
        """,
    ),
    "efficiency": Truth(
        'max without (instance, pod) (ledger_layer_impact_per_usd{window="30d"})',
        "layer",
        f"""
        select layer, sum(coalesce(impact_score, 0)::numeric) / sum(cost_usd)
        from impact_ledger
        where created_at >= {TODAY} - interval '29 days'
            and (impact_score is not null or created_at <= now() - interval '24 hours')
        group by 1
        """,
    ),
    "waste": Truth(
        'sum by (reason) (max without (instance, pod) (ledger_waste_usd{window="all", reason!="pending"}))',
        "reason",
        """
        select case when impact_score is null then 'unscored' else 'low_impact' end, sum(cost_usd)
        from impact_ledger
        where total_tokens > 1000 and coalesce(impact_score, 0) <= 0.5
            and (impact_score is not null or created_at <= now() - interval '24 hours')
        group by 1
        """,
    ),
}


@pytest.fixture(scope="module")
def prometheus(shared_dsn: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[PrometheusApi]:
    """Prometheus with the repository's files; only the addresses and the pace are the test's."""
    skip_shortly_before_midnight(2)
    folder = tmp_path_factory.mktemp("prometheus")
    home = folder / "home"
    shutil.copytree(ROOT / "prometheus", home)
    settings = home / "prometheus.yml"
    settings.write_text(settings.read_text().replace("15s", "3s"))
    (home / "targets" / "alertmanager.yml").write_text("[]\n")
    with Exporter(configure(folder / "ledger-exporter.yml", shared_dsn)) as exporter:
        exporter.until_ready()
        (home / "targets" / "ledger-exporter.yml").write_text(json.dumps([{"targets": [exporter.address]}]))
        yield from _running(settings, folder)


def _running(settings: Path, folder: Path) -> Iterator[PrometheusApi]:
    address = f"127.0.0.1:{free_port()}"
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [tool("prometheus"), f"--config.file={settings}", f"--web.listen-address={address}",
             f"--storage.tsdb.path={folder / 'data'}"],
            stdout=log, stderr=log,
        )  # fmt: skip
    try:
        prometheus = PrometheusApi(address)
        eventually(
            lambda: prometheus.targets() and all(health != "unknown" for _, health in prometheus.targets()),
            f"Prometheus has not scraped; its log is in {folder}",
        )
        yield prometheus
    finally:
        process.kill()
        process.wait()


def test_all_targets_are_up(prometheus: PrometheusApi) -> None:
    assert prometheus.targets() == [("ledger-exporter", "up")]


@pytest.mark.parametrize("view", TRUTHS)
def test_each_view_answers_with_what_the_ledgers_say(prometheus: PrometheusApi, shared_dsn: str, view: str) -> None:
    promql, label, sql = TRUTHS[view]
    with psycopg.connect(shared_dsn) as connection:
        expected = {name: float(value) for name, value in connection.execute(sql).fetchall()}

    assert len(expected) > 1
    assert prometheus.query(promql, label) == pytest.approx(expected, rel=1e-12)


def test_metadata_comes_with_the_metrics(prometheus: PrometheusApi) -> None:
    """Units and meanings are there where PromQL is written."""
    found = prometheus.get("metadata", metric="ledger_quest_budget_usd")

    assert found["ledger_quest_budget_usd"][0]["type"] == "gauge"
    assert "US dollars" in found["ledger_quest_budget_usd"][0]["help"]
