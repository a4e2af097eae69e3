"""`ledger-exporter reconcile` on real parts: it finds nothing where nothing is wrong, and what is wrong where something is."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Self

import psycopg
import pytest

from exporter import config_file, views
from exporter.app import open_sources
from exporter.client import Client
from exporter.errors import RequestError
from exporter.ledgers.cost import Cost
from exporter.publishing.samples import by_key, of_families
from exporter.reconcile import output
from exporter.reconcile.comparison import Comparison, Verdict
from exporter.reconcile.published import ExporterPlace, Place, PrometheusPlace, Read
from exporter.reconcile.reconciling import reconcile
from exporter.refresher import Refresher
from exporter.terminal import StatusLine
from tests.support.commands import run
from tests.support.exporter_process import DEADLINE_SECONDS, Exporter, eventually
from tests.support.ledgers import configure
from tests.support.prometheus import Prometheus
from tests.support.sizes import sizes

HISTORY = """
update cost_ledger set id = id + 100000;
insert into cost_ledger
select n, now() - n * interval '14 minutes', 'codex', 'm', 'task-' || n % 700, 'quest-1', 10, 1, 0.01
from generate_series(1000, 7000, 4) as n
"""
"""Two months, most of which, by their instants and ids, is older than what a refresh looks at again."""
OLD_ROW = "delete from cost_ledger where id = 5000"


@dataclass
class Reconciled:
    """What the command would say as JSON."""

    said: dict[str, Any]

    @property
    def different(self) -> int:
        """How many figures differ."""
        number: int = self.said["different"]
        return number

    def differences(self, number: int = -1) -> set[tuple[str, str]]:
        """The (metric, window) that differ in one of the comparisons, as a rule the last."""
        found = self.said["comparisons"][number]["differences"]
        return {(one["metric"], one["labels"].get("window", "")) for one in found}

    def compared(self, number: int = -1) -> dict[str, int]:
        """How many figures of each view were equal."""
        return {view: counts["equal"] for view, counts in self.said["comparisons"][number]["views"].items()}


def reconciled(config: Path, *places: Place, wait_seconds: float = DEADLINE_SECONDS) -> Reconciled:
    """Reconcile within this process."""
    comparisons = in_process(config, *places, wait_seconds=wait_seconds)
    return Reconciled(json.loads(output.as_json(comparisons, 0)))


def at(exporter: Exporter) -> Place:
    """Where an exporter publishes."""
    return ExporterPlace.at(f"http://{exporter.address}", Client())


@contextmanager
def exporting(config: Path) -> Iterator[Exporter]:
    """An exporter that has loaded its ledgers."""
    with Exporter(config) as exporter:
        exporter.until_ready()
        exporter.until(lambda scrape: ("ledger_charged_tasks", frozenset({("window", "all")})) in scrape)
        yield exporter


@pytest.fixture(autouse=True)
def impatient() -> Iterator[None]:
    """Look for the next refresh more often than a command in an operator's terminal."""
    with sizes(poll_seconds=0.05):
        yield


@pytest.fixture
def history(platform: psycopg.Connection[Any]) -> None:
    """A longer past of the small platform."""
    platform.execute(HISTORY)


class TestEngine:
    @pytest.mark.usefixtures("history")
    def test_it_says_what_the_oracle_says(self, config: Path) -> None:
        found = reconciled(config)

        assert found.said["different"] == found.said["moving"] == 0
        for view in ("allocation", "utilization", "providers", "efficiency", "waste"):
            assert found.compared()[view] > 20
        assert found.compared()["exact sums"] > 500

    @pytest.mark.usefixtures("history")
    def test_both_read_the_same_snapshot(self, config: Path, dsn: str) -> None:
        """Whatever is booked meanwhile."""
        with booking(dsn):
            for _ in range(5):
                (comparison,) = in_process(config)
                assert is_equal(comparison)

    @pytest.mark.usefixtures("history")
    def test_a_row_that_it_loses_is_found(self, config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """The last of what it reads of every range."""
        sums = Cost._sums  # noqa: SLF001
        monkeypatch.setattr(Cost, "_sums", lambda self, rows, *others: sums(self, rows[:-1], *others))
        (comparison,) = in_process(config)

        different = {compared.key[0] for compared in comparison.of_verdict(Verdict.DIFFERENT)}
        assert {"ledger_quest_spend_usd", "ledger_provider_charges", "spend.usd"} <= different


class TestCommand:
    def test_no_difference_is_exit_code_0(self, config: Path) -> None:
        ended = run("reconcile", f"--config.file={config}")

        assert (ended.returncode, ended.stderr) == (0, "")
        assert ended.stdout.startswith("the incremental engine beside the oracle\n")
        assert ended.stdout.endswith("figures compared, no difference.\n")

    def test_a_difference_is_exit_code_1(self, config: Path, tmp_path: Path) -> None:
        """The exporter runs with a configuration that is not the one that was meant."""
        other = tmp_path / "other.yml"
        other.write_text(config.read_text() + "waste: {max_impact: 0.1}\n")
        with exporting(other) as exporter:
            url = f"--url=http://{exporter.address}"
            ended = run("reconcile", f"--config.file={config}", url, "--output=json")

        found = Reconciled(json.loads(ended.stdout))
        assert ended.returncode == 1
        assert found.differences(0) == set()
        assert {("ledger_waste_usd", "7d"), ("ledger_waste_max_impact", "")} <= found.differences()
        assert not any(metric.startswith("ledger_quest_spend") for metric, _ in found.differences())

    def test_what_cannot_be_read_is_exit_code_1(self, config: Path, platform: psycopg.Connection[Any]) -> None:
        nobody = run("reconcile", f"--config.file={config}", "--url=http://127.0.0.1:1")
        platform.execute("drop table impact_ledger")
        nothing = run("reconcile", f"--config.file={config}")

        assert nobody.returncode == nothing.returncode == 1
        assert "http://127.0.0.1:1/metrics cannot be asked" in nobody.stderr
        assert 'relation "impact_ledger" does not exist' in nothing.stderr

    def test_what_cannot_be_used_is_exit_code_2(self, config: Path) -> None:
        assert run("reconcile", f"--config.file={config}", "--url=localhost:9851").returncode == 2
        config.write_text("sources: {}")
        assert run("reconcile", f"--config.file={config}").returncode == 2

    def test_an_exporter_that_goes_away_meanwhile_is_exit_code_1(self, config: Path) -> None:
        """What was compared is told all the same."""
        with exporting(config) as exporter, Once(exporter.ask("/metrics").body) as once:
            ended = run("reconcile", f"--config.file={config}", f"--url={once.url}", "--wait=1s", "--output=json")

        found = Reconciled(json.loads(ended.stdout))
        assert (ended.returncode, found.said["exit_code"]) == (1, 1)
        assert (found.different, found.said["incomplete"]) == (0, 1)
        assert found.compared(0)["utilization"] > 20
        assert found.said["comparisons"][1]["incomplete"]
        assert "503" in found.said["comparisons"][1]["notes"][0]

    def test_help_teaches(self) -> None:
        text = run("reconcile", "--help").stdout

        assert "ledger-exporter reconcile --url=http://127.0.0.1:9851" in text
        assert all(f" {code} " in text.partition("Exit codes")[2] for code in (0, 1, 2, 130))
        assert "Counters" in text


class TestExporter:
    @pytest.mark.usefixtures("history")
    def test_it_publishes_what_the_oracle_says(self, config: Path) -> None:
        with exporting(config) as exporter:
            found = reconciled(config, at(exporter))

        assert found.different == found.said["moving"] == 0
        assert [one["of"] for one in found.said["comparisons"]] == [
            "the incremental engine", f"http://{exporter.address}/metrics",
        ]  # fmt: skip
        assert found.compared()["utilization"] > 20

    def test_what_moves_is_no_difference(self, config: Path, dsn: str) -> None:
        """Bookings go on all the while."""
        with booking(dsn), exporting(config) as exporter:
            found = reconciled(config, at(exporter))

        assert found.different == 0
        assert found.compared()["utilization"] > 20

    @pytest.mark.usefixtures("history")
    def test_what_an_exporter_that_stands_still_has_missed_is_a_difference(
        self, config: Path, dsn: str, platform: psycopg.Connection[Any]
    ) -> None:
        configure(config, dsn, interval="14m")
        with exporting(config) as exporter:
            platform.execute(OLD_ROW)
            found = reconciled(config, at(exporter), wait_seconds=1)

        assert ("ledger_quest_spend_usd", "all") in found.differences()
        assert "no refresh within 1 s" in found.said["comparisons"][1]["notes"][0]

    def test_labels_are_folded_as_the_exporter_has_decided(
        self, config: Path, platform: psycopg.Connection[Any]
    ) -> None:
        """Its decision is of 00:00 UTC; who has become dearer since is no difference."""
        config.write_text(config.read_text() + "limits: {quests: 2, models: 1, combinations: 3}\n")
        with exporting(config) as exporter:
            before = {dict(labels)["quest"] for name, labels in exporter.scrape() if name == "ledger_quest_info"}
            platform.execute(
                "insert into cost_ledger"
                " select 9000 + n, now(), 'codex', 'dear-' || n, 't', 'quest-' || n, 1, 1, 1000 from generate_series(0, 3) as n"
            )
            found = reconciled(config, at(exporter))
            after = {dict(labels)["quest"] for name, labels in exporter.scrape() if name == "ledger_quest_info"}

        assert before == after
        assert "other" in after
        assert found.different == found.said["moving"] == 0


@pytest.mark.tools
class TestPrometheus:
    def test_it_has_stored_what_the_oracle_says(self, config: Path, tmp_path: Path) -> None:
        """Under another meaning of waste, what it has stored is wrong."""
        with exporting(config) as exporter, Prometheus(exporter.address, tmp_path) as prometheus:
            found = reconciled(config, PrometheusPlace(prometheus.url, Client()))
            config.write_text(config.read_text() + "waste: {max_impact: 0.1}\n")
            mine = PrometheusPlace(prometheus.url, Client(), '{job="ledger-exporter"}')
            other = reconciled(config, mine, wait_seconds=0)
            with pytest.raises(RequestError, match="no figures of a ledger-exporter"):
                reconciled(config, PrometheusPlace(prometheus.url, Client(), 'job="another"'))
            ended = run("reconcile", f"--config.file={config}", f"--prometheus-url={prometheus.url}")

        target = f'{prometheus.url} {{instance="{exporter.address}",job="ledger-exporter"}}'
        assert found.said["comparisons"][1]["of"] == target
        assert found.different == 0
        assert found.compared()["utilization"] > 20
        assert found.compared()["allocation"] > 20
        assert ("ledger_waste_usd", "all") in other.differences()
        assert ended.returncode == 1
        assert f"{target} beside the oracle" in ended.stdout
        assert re.search(r"^  ledger_waste_max_impact +0\.5 +0\.1$", ended.stdout, re.MULTILINE)
        assert "figures differ." in ended.stdout


@pytest.mark.slow
class TestStaleness:
    """A row that is deleted behind an exporter's back, outside what refreshes read, until the walk comes by."""

    @pytest.mark.usefixtures("history")
    def test_it_is_found_until_the_walk_has_corrected_it(self, config: Path, platform: psycopg.Connection[Any]) -> None:
        with refreshing(config) as exporter:
            assert in_process(config, exporter)[1].of_verdict(Verdict.DIFFERENT) == []
            platform.execute(OLD_ROW)
            (_, stale) = in_process(config, exporter)
            assert stale.of_verdict(Verdict.DIFFERENT)
            eventually(exporter.walk_corrects, "the walk has not found it", DEADLINE_SECONDS)
            (_, corrected) = in_process(config, exporter)

        different = {compared.key[0] for compared in stale.of_verdict(Verdict.DIFFERENT)}
        assert {"ledger_quest_spend_usd", "ledger_provider_spend_usd", "ledger_provider_charges"} <= different
        assert corrected.of_verdict(Verdict.DIFFERENT) == []


class TestVanishing:
    """Of two exporters behind one Prometheus one goes away between the readings: a pod is rolled, one of a pair is down."""

    def test_it_is_said_and_the_other_is_compared(self, config: Path) -> None:
        with refreshing(config) as exporter:
            _, one, other = in_process(config, Pair(exporter, [{"a", "b"}, {"b"}]), wait_seconds=0)

        assert (one.of, one.incomplete, one.figures) == ("an exporter whose walk rests {a}", True, {})
        assert one.notes == ("it was there before and has gone: it could not be compared",)
        assert (other.of, other.incomplete, is_equal(other)) == ("an exporter whose walk rests {b}", False, True)

    def test_an_exporter_that_comes_back_is_compared(self, config: Path) -> None:
        with refreshing(config) as exporter:
            _, one, other = in_process(config, Pair(exporter, [{"a", "b"}, {"b"}, set(), {"a", "b"}]))

        assert (one.incomplete, one.notes, other.notes) == (False, (), ())
        assert is_equal(one)
        assert is_equal(other)

    def test_a_whole_place_may_go(self, config: Path) -> None:
        """In the words of whoever answers in its place."""
        with refreshing(config) as exporter:
            _, one, other = in_process(config, Pair(exporter, [{"a", "b"}, set()]), wait_seconds=0)

        assert one.incomplete
        assert other.incomplete
        assert one.notes == other.notes == (
            "an exporter whose walk rests has no figures of a ledger-exporter that has read its ledgers",
        )  # fmt: skip


def is_equal(comparison: Comparison) -> bool:
    """Tell whether every figure is what the oracle says."""
    return bool(comparison.figures) and {one.verdict for one in comparison.figures.values()} == {Verdict.EQUAL}


class Refreshing:
    """The engine as `serve` runs it, refreshed whenever it is looked at; its walk goes on when told."""

    name = "an exporter whose walk rests"

    def __init__(self, refresh: Refresher) -> None:
        self._refresh = refresh

    def read(self) -> Read:
        published = self._refresh.run(datetime.now(UTC))
        while self._refresh.is_loading:
            self._refresh.load(datetime.now(UTC), 1)
            published = self._refresh.run(datetime.now(UTC))
        return {"": by_key(of_families(views.families(published.snapshot)))}

    def walk_corrects(self) -> bool:
        """Walk on, for some refreshes; tell whether something was corrected."""
        for _ in range(20):
            self._refresh.verify()
        corrections = ("ledger_corrections_total", frozenset({("ledger", "cost")}))
        return self.read()[""][corrections] > 0


class Pair:
    """A Prometheus with exporters that come and go: those that are there at each reading, the last from then on."""

    def __init__(self, exporter: Refreshing, there: list[set[str]]) -> None:
        self.name = exporter.name
        self._exporter = exporter
        self._there = there

    def read(self) -> Read:
        targets = self._there.pop(0) if len(self._there) > 1 else self._there[0]
        (samples,) = self._exporter.read().values()
        return dict.fromkeys(sorted(targets), samples)


class Once(ThreadingHTTPServer):
    """A server with one page, which it shows once."""

    def __init__(self, page: bytes) -> None:
        super().__init__(("127.0.0.1", 0), _ShownOnce)
        self.page: bytes | None = page
        self.url = f"http://127.0.0.1:{self.server_port}"

    def __enter__(self) -> Self:
        self._thread = threading.Thread(target=self.serve_forever, args=[0.01])
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.shutdown()
        self.server_close()
        self._thread.join()


class _ShownOnce(BaseHTTPRequestHandler):
    server: Once

    def log_message(self, *_: Any) -> None:
        """Say nothing."""

    def do_GET(self) -> None:
        page, self.server.page = self.server.page, None
        self.send_response(503 if page is None else 200)
        self.end_headers()
        self.wfile.write(page or b"")


@contextmanager
def refreshing(config: Path) -> Iterator[Refreshing]:
    loaded = config_file.load(config)
    sources = open_sources(loaded)
    try:
        yield Refreshing(Refresher.new(loaded, sources))
    finally:
        for source in sources.values():
            source.close()


def in_process(config: Path, *places: Place, wait_seconds: float = DEADLINE_SECONDS) -> list[Comparison]:
    loaded = config_file.load(config).with_timeout(timedelta(minutes=10))  # as the command does
    sources = open_sources(loaded)
    try:
        return reconcile(loaded, sources, places, wait_seconds, StatusLine())
    finally:
        for source in sources.values():
            source.close()


@contextmanager
def booking(dsn: str) -> Iterator[None]:
    """Book a charge every twentieth of a second."""
    stop = threading.Event()

    def book() -> None:
        with psycopg.connect(dsn, autocommit=True) as connection:
            while not stop.wait(0.05):
                connection.execute(
                    "insert into cost_ledger"
                    " select max(id) + 1, now(), 'codex', 'm', 't', 'quest-1', 1, 1, 0.01 from cost_ledger"
                )

    thread = threading.Thread(target=book)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()
