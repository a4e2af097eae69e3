"""A ledger that outgrew one server, an exporter that must not be missed, metrics that must be kept: each with real parts."""

from __future__ import annotations

import json
import shutil
import signal
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import psycopg
import pytest
import yaml
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from exporter import config_file
from tests.oracle import samples
from tests.support import compressed, postgres
from tests.support.alert_ledgers import HISTORY, charge
from tests.support.comparison import differences, figures
from tests.support.days import skip_shortly_before_midnight
from tests.support.exporter_process import ROOT, Exporter, Samples, eventually, sample
from tests.support.ledgers import create_ledgers
from tests.support.processes import free_port, is_ready, process
from tests.support.prometheus import PrometheusApi
from tests.support.promtool import promtool
from tests.support.tools import tool
from tests.support.webhook import Receiver, receiving

EXAMPLES = ROOT / "deploy" / "examples"
EXPORTER_EXAMPLES = sorted(set(EXAMPLES.glob("*.yml")) - set(EXAMPLES.glob("prometheus-*.yml")))
PROMETHEUS_EXAMPLES = sorted(EXAMPLES.glob("prometheus-*.yml"))
VICTORIA_METRICS = EXAMPLES / "prometheus-victoria-metrics.yml"

DURABLE = {"synchronous_commit": "on"}
"""With it, what was committed outlives a crash."""
REPLICATED = {**DURABLE, "wal_level": "replica", "max_wal_senders": "4"}
"""With these, a server can be followed."""

CHARGES = """
insert into cost_ledger
select n, now() - n * interval '1 hour', (array['bedrock/claude-3', 'MiniMax-M2', 'codex-mini', null])[1 + n % 4],
       'model-' || n % 3, 'task-' || n % 40, 'quest-' || n % 4, 100 * n, 10 * n, 0.1 * (n % 9)
from generate_series(1, 900) as n
where n % {shards} = {shard}
"""
CHARGE = "insert into cost_ledger values (1000, now(), 'max', 'model-1', 'task-1', 'quest-1', 10, 1, {usd})"
ELSEWHERE = """
insert into impact_ledger
select n, now() - n * interval '3 hours', null, 'task-' || n, 'Task ' || n, 'quest-' || n % 4, 'Forge', 500 * n, 0.1, n % 3
from generate_series(1, 100) as n;

insert into quest_budget_allocations
select 'quest-' || quest, 'Quest ' || quest, (now() at time zone 'UTC')::date - age, 10.1, 5
from generate_series(0, 3) as quest, generate_series(0, 9) as age;
"""


def execute(dsn: str, *statements: str) -> list[tuple[Any, ...]]:
    """Run statements; return the rows of the last one."""
    with psycopg.connect(dsn, autocommit=True) as connection:
        for statement in statements:
            cursor = connection.execute(statement.encode())
        return cursor.fetchall() if cursor.description else []


def configure(folder: Path, example: str, hosts: Sequence[Sequence[str]]) -> Path:
    """An example with the test's servers in it, by their connection strings: for each source one, or several to choose from."""
    settings = yaml.safe_load((EXAMPLES / example).read_text())
    for source, dsns in zip(settings["sources"].values(), hosts, strict=True):
        there = [conninfo_to_dict(dsn) for dsn in dsns]
        attributes = {key: value for key, value in conninfo_to_dict(source["dsn"]).items() if key.startswith("target")}
        several = {key: ",".join(str(one[key]) for one in there) for key in ("host", "port")}
        source.pop("password_file")
        source["dsn"] = make_conninfo(**{**there[0], **attributes, **several})  # type: ignore[arg-type]
    settings["refresh"] = {"interval": "300ms", "timeout": "5s"}
    file = folder / example
    file.write_text(yaml.safe_dump(settings))
    return file


def wrong(dsns: list[str], seen: Samples) -> list[str]:
    """In what a scrape differs from the oracle's reading of the same ledgers at the same instant."""
    now = datetime.fromtimestamp(seen[sample("ledger_snapshot_timestamp_seconds")], UTC)
    return differences(figures(samples(dsns, now)), figures(dict(seen)))


def spend(seen: Samples) -> Decimal:
    """What all quests together have spent, ever, in dollars to the cent."""
    key = ("ledger_quest_spend_usd", "all")
    every = [value for (name, labels), value in seen.items() if (name, dict(labels).get("window")) == key]
    return Decimal(f"{sum(every):.2f}")


# --- examples --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("file", EXPORTER_EXAMPLES, ids=lambda file: file.stem)
def test_the_exporter_takes_each_example(file: Path, tmp_path: Path) -> None:
    """But for the file with the password, which is the operator's."""
    password = tmp_path / "password"
    password.write_text("secret\n")

    config_file.parse(file.read_text().replace("/run/secrets/ledger-exporter/password", str(password)))


@pytest.mark.tools
@pytest.mark.parametrize("file", PROMETHEUS_EXAMPLES, ids=lambda file: file.stem)
def test_promtool_takes_each_example(file: Path) -> None:
    """With the rules and the targets it refers to."""
    code, said = promtool("check", "config", file)

    assert code == 0, said
    assert f"{len(list((ROOT / 'prometheus' / 'rules').glob('*.yml')))} rule files found" in said


# --- shards ----------------------------------------------------------------------------------------------------------


@pytest.fixture
def shards(pg15: postgres.Server, pg18: postgres.Server) -> Iterator[tuple[list[str], postgres.Server]]:
    """The connection strings of one cost ledger in three servers; of these the last, which may crash."""
    third = postgres.start(pg18.programs, DURABLE)
    servers = [pg15, pg18, third]
    names = [server.create_database(create_ledgers) for server in servers]
    dsns = [server.dsn(name) for server, name in zip(servers, names, strict=True)]
    for place, dsn in enumerate(dsns):
        execute(dsn, CHARGES.format(shards=len(dsns), shard=place))
    execute(dsns[0], ELSEWHERE)
    yield dsns, third
    third.stop()
    for server, name in zip(servers[:2], names, strict=False):
        server.drop_database(name)


@pytest.mark.tools
def test_three_shards_are_one_ledger(shards: tuple[list[str], postgres.Server], tmp_path: Path) -> None:
    """Added up exactly; while one is down its last values stay in the sum and the others go on; back again all is right."""
    dsns, third = shards
    file = configure(tmp_path, "shards.yml", [[dsn] for dsn in dsns])
    with Exporter(file) as exporter:
        exporter.until_ready()
        seen = exporter.until(lambda seen: sample("ledger_charged_tasks", window="all") in seen)
        assert wrong(dsns, seen) == []
        assert seen[sample("ledger_charged_tasks", window="all")] == 40
        before = spend(seen)

        third.halt(signal.SIGQUIT)
        seen = exporter.until(lambda seen: seen[sample("ledger_up", ledger="cost")] == 0)
        up = {dict(labels)["source"]: value for (name, labels), value in seen.items() if name == "ledger_source_up"
              and dict(labels)["ledger"] == "cost"}  # fmt: skip
        assert up == {"shard-1": 1, "shard-2": 1, "shard-3": 0}
        assert (seen[sample("ledger_up", ledger="impact")], seen[sample("ledger_up", ledger="budget")]) == (1, 1)
        assert spend(seen) == before
        execute(dsns[1], CHARGE.format(usd="0.1"))
        exporter.until(lambda seen: spend(seen) == before + Decimal("0.1"))

        third.start_again()
        execute(dsns[2], CHARGE.format(usd="0.2"))
        exporter.until(lambda seen: seen[sample("ledger_up", ledger="cost")] == 1)
        seen = exporter.until(lambda seen: spend(seen) == before + Decimal("0.3"))
        assert wrong(dsns, seen) == []


# --- a replica -------------------------------------------------------------------------------------------------------


@pytest.fixture
def pair(server: postgres.Server) -> Iterator[tuple[postgres.Server, postgres.Server]]:
    """A server with the three ledgers, and a streaming replica of it."""
    with ExitStack() as stack:
        primary = postgres.start(server.programs, REPLICATED)
        stack.callback(primary.stop)
        create_ledgers(primary.dsn())
        execute(primary.dsn(), CHARGES.format(shards=1, shard=0), ELSEWHERE)
        replica = postgres.replicate(primary, REPLICATED)
        stack.callback(replica.stop)
        yield primary, replica


def cut_off(replica: postgres.Server) -> None:
    """Let a replica follow no more: what the primary books from now on, it never hears of."""
    execute(replica.dsn(), "alter system set primary_conninfo = ''", "select pg_reload_conf()")
    eventually(lambda: not execute(replica.dsn(), "select from pg_stat_wal_receiver"), "the replica still follows")


def promote(replica: postgres.Server) -> None:
    """Make a replica a server that can be written to."""
    assert execute(replica.dsn(), "select pg_promote()") == [(True,)]


def connected(server: postgres.Server) -> int:
    """How many exporters read a server."""
    ((count,),) = execute(
        server.dsn(), "select count(*) from pg_stat_activity where application_name like 'ledger-exporter/%'"
    )
    found: int = count
    return found


@pytest.mark.slow
def test_a_replica_is_read_and_takes_over(pair: tuple[postgres.Server, postgres.Server], tmp_path: Path) -> None:
    """The primary is left alone; when it dies and the replica is promoted, the exporter goes on without a failed refresh."""
    primary, replica = pair
    file = configure(tmp_path, "replica.yml", [[primary.dsn(), replica.dsn()]])
    with Exporter(file) as exporter:
        exporter.until_ready()
        before = spend(exporter.until(lambda seen: sample("ledger_charged_tasks", window="all") in seen))
        assert (connected(primary), connected(replica)) == (0, 1)
        execute(primary.dsn(), CHARGE.format(usd="0.1"))
        exporter.until(lambda seen: spend(seen) == before + Decimal("0.1"))

        primary.halt(signal.SIGQUIT)
        promote(replica)
        execute(replica.dsn(), CHARGE.format(usd="0.2"))
        seen = exporter.until(lambda seen: spend(seen) == before + Decimal("0.3"))
        assert wrong([replica.dsn()], seen) == []
        assert seen[sample("ledger_refresh_failures_total", ledger="cost")] == 0


@pytest.mark.slow
def test_a_primary_is_followed_through_a_failover(
    pair: tuple[postgres.Server, postgres.Server], tmp_path: Path
) -> None:
    """Charges that never reached the replica are no longer counted; no counter falls, and none takes the rest for new."""
    primary, replica = pair
    file = configure(tmp_path, "replica.yml", [[primary.dsn(), replica.dsn()]])
    file.write_text(file.read_text().replace("prefer-standby", "read-write"))
    with Exporter(file) as exporter:
        exporter.until_ready()
        before = spend(exporter.until(lambda seen: sample("ledger_charged_tasks", window="all") in seen))
        assert (connected(primary), connected(replica)) == (1, 0)
        cut_off(replica)
        execute(primary.dsn(), CHARGE.format(usd="0.7"))
        seen = exporter.until(lambda seen: spend(seen) == before + Decimal("0.7"))
        counted = counters(seen)

        primary.halt(signal.SIGQUIT)
        seen = exporter.until(lambda seen: seen[sample("ledger_up", ledger="cost")] == 0)
        assert spend(seen) == before + Decimal("0.7")
        promote(replica)
        execute(replica.dsn(), CHARGE.format(usd="0.2"))
        exporter.until(lambda seen: seen[sample("ledger_up", ledger="cost")] == 1)
        seen = exporter.until(lambda seen: spend(seen) == before + Decimal("0.2"))
        assert wrong([replica.dsn()], seen) == []
        # Seen at once with the loss, the new charge is no growth; seen after it, it is.
        assert counters(seen) in (counted, counted + Decimal("0.2"))


def counters(seen: Samples) -> Decimal:
    """The dollars that the counters have counted since the exporter's start."""
    return Decimal(f"{sum(value for (name, _), value in seen.items() if name == 'ledger_spend_usd_total'):.2f}")


# --- pairs -----------------------------------------------------------------------------------------------------------


@dataclass
class Stage:
    """Two exporters of one ledger, two Prometheus that scrape both, what Alertmanager tells, and what is kept of it all."""

    dsn: str
    exporters: list[Exporter]
    prometheus: list[PrometheusApi]
    receiver: Receiver
    victoria: PrometheusApi

    def told(self, status: str) -> list[str]:
        """The alerts of quest Tau that were told with a status, each time they were."""
        return [
            alert["labels"]["alertname"]
            for _, alert in list(self.receiver.received)
            if (alert["status"], alert["labels"].get("quest")) == (status, "Tau")
        ]

    def firing(self) -> list[list[str]]:
        """The alerts of quest Tau that fire in each Prometheus."""
        return [
            [alert["labels"]["alertname"] for alert in (one.get("alerts") or {"alerts": []})["alerts"]
             if alert["labels"].get("quest") == "Tau" and alert["state"] == "firing"]
            for one in self.prometheus
        ]  # fmt: skip


CONFIGURATION = """\
sources: {{main: {{dsn: "{dsn}"}}}}
ledgers: {{cost: {{source: main}}, impact: {{source: main}}, budget: {{source: main}}}}
refresh: {{interval: 500ms, timeout: 10s}}
"""


def lay_out(folder: Path, stage: Receiver, targets: Sequence[str], alertmanager: str, victoria: str) -> list[Path]:
    """The repository's files with time compressed; return what each Prometheus runs with: the example but for places."""
    home, examples = folder / "prometheus", folder / "deploy" / "examples"
    shutil.copytree(ROOT / "prometheus", home)
    compressed.compress(home, stage.address)
    (home / "targets" / "ledger-exporter.yml").write_text(json.dumps([{"targets": list(targets)}]))
    (home / "targets" / "alertmanager.yml").write_text(json.dumps([{"targets": [alertmanager]}]))
    examples.mkdir(parents=True)
    found = []
    for replica in ("a", "b"):
        text = VICTORIA_METRICS.read_text().replace("replica: a", f"replica: {replica}").replace("15s", "1s")
        found.append(examples / f"prometheus-{replica}.yml")
        found[-1].write_text(text.replace("victoria-metrics.example.org:8428", victoria))
    return found


@pytest.fixture(scope="module")
def stage(server: postgres.Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """The whole, once every part answers."""
    skip_shortly_before_midnight(3)
    folder = tmp_path_factory.mktemp("scaling")
    name = server.create_database(create_ledgers)
    execute(server.dsn(name), HISTORY)
    (folder / "ledger-exporter.yml").write_text(CONFIGURATION.format(dsn=server.dsn(name)))
    with ExitStack() as stack:
        stack.callback(server.drop_database, name)
        receiver = stack.enter_context(receiving())
        exporters = [stack.enter_context(Exporter(folder / "ledger-exporter.yml")) for _ in range(2)]
        alertmanager, victoria, *addresses = (f"127.0.0.1:{free_port()}" for _ in range(4))
        files = lay_out(folder, receiver, [one.address for one in exporters], alertmanager, victoria)
        stack.enter_context(process(
            folder, tool("alertmanager"), f"--config.file={folder / 'prometheus' / 'alertmanager.yml'}",
            f"--web.listen-address={alertmanager}", f"--storage.path={folder / 'alertmanager'}",
            "--cluster.listen-address=",
        ))  # fmt: skip
        stack.enter_context(process(
            folder, tool("victoria-metrics"), f"-httpListenAddr={victoria}", f"-storageDataPath={folder / 'victoria'}",
            "-dedup.minScrapeInterval=1s", "-search.latencyOffset=0s", "-search.disableCache",
        ))  # fmt: skip
        for place, (file, address) in enumerate(zip(files, addresses, strict=True)):
            own = folder / f"prometheus-{place}"
            own.mkdir()
            stack.enter_context(process(
                own, tool("prometheus"), f"--config.file={file}", f"--web.listen-address={address}",
                f"--storage.tsdb.path={own / 'data'}",
            ))  # fmt: skip
        eventually(lambda: is_ready(alertmanager), f"Alertmanager has not started; its log is in {folder}")
        running = Stage(
            server.dsn(name), exporters, [*map(PrometheusApi, addresses)], receiver, PrometheusApi(victoria)
        )
        for one in running.prometheus:
            eventually(lambda one=one: healths(one) == ["up", "up"], f"not both scraped; the logs are in {folder}")
        yield running


def healths(prometheus: PrometheusApi) -> list[str]:
    """The health of each of a Prometheus' targets."""
    return [health for _, health in prometheus.targets()]


@pytest.mark.tools
def test_a_pair_of_exporters_and_a_pair_of_prometheus_tell_once(stage: Stage) -> None:
    """Both Prometheus find that a quest has overspent, in both exporters: one notification, and one when it is over."""
    execute(stage.dsn, charge("60", "tau"))
    eventually(lambda: stage.told("firing"), f"nothing was told; firing: {stage.firing()}")
    eventually(lambda: all("LedgerQuestOverspent" in each for each in stage.firing()), f"not in both: {stage.firing()}")
    assert stage.told("firing") == ["LedgerQuestOverspent"]

    stage.exporters[0].end(signal.SIGTERM)
    for one in stage.prometheus:
        eventually(lambda one=one: sorted(healths(one)) == ["down", "up"], "nobody noticed")
    assert all("LedgerQuestOverspent" in each for each in stage.firing())
    assert (stage.told("firing"), stage.told("resolved")) == (["LedgerQuestOverspent"], [])

    execute(stage.dsn, "delete from cost_ledger where id = -1")
    eventually(lambda: stage.told("resolved"), f"never over; firing: {stage.firing()}")
    eventually(lambda: stage.firing() == [[], []], f"not over in both: {stage.firing()}")
    assert (stage.told("firing"), stage.told("resolved")) == (["LedgerQuestOverspent"], ["LedgerQuestOverspent"])


@pytest.mark.tools
def test_victoria_metrics_keeps_what_prometheus_scraped(stage: Stage) -> None:
    """Every series once, however many Prometheus send it; house queries give the same figures there."""
    ((spent,),) = execute(stage.dsn, "select sum(cost_usd) from cost_ledger")
    query = 'sum(max without (instance, pod) (ledger_quest_spend_usd{window="all"}))'
    eventually(
        lambda: answers(stage.victoria, query) == [float(spent)],
        f"VictoriaMetrics has {answers(stage.victoria, query)}",
    )

    assert answers(stage.prometheus[0], query) == [float(spent)]
    assert answers(stage.victoria, 'count by (instance) (ledger_up{ledger="cost"})') == [1]
    assert answers(stage.victoria, "count(quest:ledger_spend_usd:today)") == [5]


def answers(prometheus: PrometheusApi, query: str) -> list[float]:
    """The values of an instant query, none while there is no answer."""
    found = prometheus.get("query", query=query)
    return [float(one["value"][1]) for one in found["result"]] if found else []
