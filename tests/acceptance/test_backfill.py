"""The past, written by the real command, served by a real Prometheus, from blocks and by remote write, and VictoriaMetrics."""

from __future__ import annotations

import json
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg
import pytest

from bench.backfill import measured
from exporter.backfill import past
from exporter.demo import history
from exporter.demo.incidents import Incidents
from exporter.demo.platform import Platform
from tests.support import postgres
from tests.support.boards import Query, queries, selectors
from tests.support.commands import run
from tests.support.documented import commands_of
from tests.support.exporter_process import DEADLINE_SECONDS, ROOT, eventually
from tests.support.ledgers import configure
from tests.support.processes import free_port, is_ready, process
from tests.support.prometheus import PrometheusApi
from tests.support.tools import tool

LABELS = ("--label=job=ledger-exporter", "--label=instance=127.0.0.1:9851")
DAYS = 5
STEP = timedelta(minutes=15)
MOST_GROWTH_MB = 8
"""How much more memory a long period may take than a day. To keep what was written costs 11 MB more, compact as it is."""

SPEND = """
select quest_id, sum(cost_usd)
from cost_ledger
where created_at >= date_trunc('day', %(at)s at time zone 'utc') at time zone 'utc' and created_at <= %(at)s
  and cost_usd < 'infinity' and quest_id <> ''
group by 1
"""
TODAY = (
    'max without (instance, pod) (ledger_quest_spend_usd{window="today"}) * on (quest) group_left (quest_id)'
    ' max without (instance, pod) (ledger_quest_info{quest_id!=""}) > 0'
)
NO_SCRAPES = {"ledger-exporter-health"}
"""Boards that tell of the exporter, not of the ledgers."""

NOT_ALWAYS = {
    "ledger-resources-Share wasted by layer, 7 days-C",  # drawn where layers have different levels
    "ledger-quest-Share wasted, 7 days-C",
    "ledger-quest-Impact per $ over time-B",  # of quests with five settled outcomes that day
}
"""Queries of panels that have no answer on a small and healthy platform."""


@dataclass(frozen=True)
class Told:
    """A ledger, and the past that was told of it."""

    dsn: str
    config: Path
    begin: datetime
    end: datetime
    openmetrics: Path
    said: str

    @property
    def options(self) -> tuple[str, ...]:
        """The same steps, wherever they go."""
        period = f"--from={self.begin.isoformat()}", f"--to={self.end.isoformat()}", "--step=15m"
        return f"--config.file={self.config}", *period, *LABELS

    @property
    def moments(self) -> list[datetime]:
        """Some steps of the period."""
        last = datetime.fromtimestamp(self.end.timestamp() // STEP.total_seconds() * STEP.total_seconds(), UTC)
        return [last - steps * STEP for steps in (1, 50, 120, 240, 400)]

    def steps(self, hours: int) -> list[datetime]:
        """The steps of the period if there is one in so many hours."""
        length = hours * 3600
        first, last = -(-self.begin.timestamp() // length), self.end.timestamp() // length
        return [datetime.fromtimestamp(number * length, UTC) for number in range(int(first), int(last) + 1)]

    def spend(self, at: datetime) -> dict[str, float]:
        """What each quest was charged on the day of an instant, up to it."""
        with psycopg.connect(self.dsn) as connection:
            return {
                quest: float(usd) for quest, usd in connection.execute(SPEND.encode(), {"at": at}).fetchall() if usd > 0
            }


@pytest.fixture(scope="module")
def told(server: postgres.Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Told]:
    """The demo's platform, small, and five days of it as OpenMetrics."""
    folder = tmp_path_factory.mktemp("backfill")
    name = server.create_database()
    now = datetime.now(UTC)
    with psycopg.connect(server.dsn(name), autocommit=True) as connection:
        assert not history.is_loaded(connection)
        history.load(connection, Platform(scale=0.05, incidents=Incidents(now)), now, days=12)
    config = configure(folder / "ledger-exporter.yml", server.dsn(name))
    end = (now - timedelta(hours=4)).replace(microsecond=0)
    openmetrics = folder / "history.om"
    period = f"--from={(end - timedelta(days=DAYS)).isoformat()}", f"--to={end.isoformat()}", "--step=15m"
    done = run("backfill", f"--config.file={config}", f"--output={openmetrics}", *period, *LABELS)
    assert done.returncode == 0, done.stderr
    yield Told(server.dsn(name), config, end - timedelta(days=DAYS), end, openmetrics, done.stderr)
    server.drop_database(name)


@pytest.fixture(scope="module")
def prometheus(told: Told, tmp_path_factory: pytest.TempPathFactory) -> Iterator[PrometheusApi]:
    """A Prometheus that has never scraped anything, with the blocks promtool made."""
    folder = tmp_path_factory.mktemp("blocks")
    made = subprocess.run(
        [tool("promtool"), "tsdb", "create-blocks-from", "--max-block-duration=720h", "openmetrics",
         told.openmetrics, folder / "data"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert made.returncode == 0, made.stderr
    with serving(folder) as served:
        yield served


def serving(folder: Path, *options: str, settings: str = "{}") -> Served:
    """A Prometheus over a folder's data."""
    return Served(folder, options, settings)


class Served:
    """A Prometheus that ends with the block."""

    def __init__(self, folder: Path, options: tuple[str, ...], settings: str) -> None:
        self._address = f"127.0.0.1:{free_port()}"
        (folder / "prometheus.yml").write_text(settings)
        self._process = process(
            folder, tool("prometheus"), f"--config.file={folder / 'prometheus.yml'}", f"--storage.tsdb.path={folder / 'data'}",
            f"--web.listen-address={self._address}", "--storage.tsdb.retention.time=1y", *options,
        )  # fmt: skip
        self._folder = folder

    def __enter__(self) -> PrometheusApi:
        self._process.__enter__()
        eventually(lambda: is_ready(self._address), f"Prometheus has not started; its log is in {self._folder}")
        return PrometheusApi(self._address)

    def __exit__(self, *error: object) -> None:
        self._process.__exit__(None, None, None)


def asked(database: PrometheusApi, promql: str, label: str, at: datetime) -> dict[str, float]:
    """The values of an instant query at an instant, by a label."""
    found = database.get("query", query=promql, time=str(at.timestamp()))
    return {one["metric"].get(label, ""): float(one["value"][1]) for one in found["result"]}


def test_it_says_what_it_wrote_and_what_to_do_with_it(told: Told) -> None:
    assert "promtool tsdb create-blocks-from --max-block-duration=720h openmetrics" in told.said
    assert f"{told.end:%Y-%m-%d}" in told.said


@pytest.mark.tools
def test_prometheus_serves_what_was_spent_before_it_was_installed(told: Told, prometheus: PrometheusApi) -> None:
    for step in told.moments:
        assert asked(prometheus, TODAY, "quest_id", step + timedelta(minutes=4)) == told.spend(step), step


@pytest.mark.tools
def test_counters_rise_by_what_was_charged(told: Told, prometheus: PrometheusApi) -> None:
    """Over a day, extrapolated to its edges by Prometheus, within a hundredth of the ledger's own sum."""
    at = told.end.replace(hour=0, minute=0, second=0) - timedelta(days=1)
    growth = "sum(increase(ledger_spend_usd_total[1d]))"
    with psycopg.connect(told.dsn) as connection:
        ((usd,),) = connection.execute(
            "select sum(cost_usd) from cost_ledger where cost_usd >= 0 and cost_usd < 'infinity'"
            " and created_at > %s and created_at <= %s",
            (at - timedelta(days=1), at),
        )

    assert asked(prometheus, growth, "", at)[""] == pytest.approx(float(usd), rel=0.01)


@pytest.mark.tools
def test_series_are_those_of_the_scrapes(prometheus: PrometheusApi, told: Told) -> None:
    found = asked(prometheus, 'count by (job) (ledger_quest_info{instance="127.0.0.1:9851"})', "job", told.moments[2])

    assert found.keys() == {"ledger-exporter"}


def shown() -> list[Query]:
    """The panels' queries that ask for nothing but what is told of the past."""
    names = {metric.name for metric in past.METRICS}
    return [
        query
        for query in queries()
        if query.board not in NO_SCRAPES and {one.metric for one in selectors(query)} <= names
    ]


@pytest.mark.tools
def test_dashboards_show_the_past(told: Told, prometheus: PrometheusApi) -> None:
    """Every panel that needs no ranking has an answer on a past afternoon, of rates where they are over two steps or more."""
    at = told.end.replace(hour=15, minute=0, second=0) - timedelta(days=2)
    asked = {str(query): query.promql.replace("[1m]", "[6h]") for query in shown()}
    empty = {
        name: promql
        for name, promql in asked.items()
        if not prometheus.get("query", query=promql, time=str(at.timestamp()))["result"]
    }

    assert len(shown()) > 40
    assert empty.keys() <= NOT_ALWAYS


@pytest.mark.tools
def test_remote_write_tells_the_same(told: Told, tmp_path: Path) -> None:
    """To a Prometheus that takes samples out of order, in whatever order they come."""
    out_of_order = "storage: {tsdb: {out_of_order_time_window: 30d}}"
    with serving(tmp_path, "--web.enable-remote-write-receiver", settings=out_of_order) as written:
        done = run("backfill", *told.options, f"--to-url=http://{written._address}/api/v1/write",  # noqa: SLF001
                   f"--state.file={tmp_path / 'state'}")  # fmt: skip
        assert done.returncode == 0, done.stderr

        for step in told.moments:
            assert asked(written, TODAY, "quest_id", step) == told.spend(step), step


@pytest.mark.tools
@pytest.mark.parametrize("way", ["remote write", "text"])
def test_victoria_metrics_tells_the_same(told: Told, tmp_path: Path, way: str) -> None:
    """It takes remote write, and the file as it is written for Prometheus."""
    address = f"127.0.0.1:{free_port()}"
    with process(
        tmp_path, tool("victoria-metrics"), f"-httpListenAddr={address}", f"-storageDataPath={tmp_path / 'data'}",
        "-retentionPeriod=1y", "-search.latencyOffset=0s", "-search.disableCache",
    ):  # fmt: skip
        imported = PrometheusApi(address)
        eventually(
            lambda: imported.get("query", query="1"), f"VictoriaMetrics has not started; its log is in {tmp_path}"
        )
        if way == "text":
            curl = [tool("curl"), "-sfT", told.openmetrics, f"http://{address}/api/v1/import/prometheus"]
            subprocess.run(curl, check=True)
        else:
            done = run("backfill", *told.options, f"--to-url=http://{address}/api/v1/write",
                       f"--state.file={tmp_path / 'state'}")  # fmt: skip
            assert done.returncode == 0, done.stderr

        for step in told.moments:
            eventually(
                lambda step=step: asked(imported, TODAY, "quest_id", step) == told.spend(step),
                f"{step}: {told.spend(step)} was spent, {asked(imported, TODAY, 'quest_id', step)} is told",
            )


def samples(said: str) -> int:
    """How many samples a summary says there are."""
    (number,) = re.findall(r"^([\d,]+) samples, ", said, re.MULTILINE)
    return int(number.replace(",", ""))


@pytest.mark.slow
def test_a_killed_run_goes_on_where_it_stopped(told: Told, tmp_path: Path) -> None:
    """What it writes in the end is what was written at once, to the byte. It says which part of that it has done itself."""
    output, state = tmp_path / "killed.om", tmp_path / "killed.om.state"
    command = ["backfill", *told.options, f"--output={output}"]
    running = subprocess.Popen([sys.executable, "-m", "exporter", *command], cwd=ROOT, stderr=subprocess.DEVNULL)
    eventually(lambda: state.exists() and json.loads(state.read_text())["number"] > 0, "no day was ever done")
    running.send_signal(signal.SIGKILL)
    assert running.wait() == -signal.SIGKILL
    done_before = json.loads(state.read_text())["number"]
    assert not output.read_bytes().endswith(b"# EOF\n")
    moved = output.rename(tmp_path / "moved.om")
    refused = run(*command)
    moved.rename(output)

    again = run(*command)

    assert (refused.returncode, "killed.om has 0 bytes of the" in refused.stderr) == (1, True), refused.stderr

    assert again.returncode == 0, again.stderr
    assert samples(again.stderr) == samples(told.said)
    own = re.search(r"This run went on at .* and wrote ([\d,]+) of the samples", again.stderr)
    assert own is not None
    assert 0 < int(own[1].replace(",", "")) < samples(told.said)
    assert "This run" not in told.said
    assert 0 < done_before < DAYS * 96
    assert not state.exists()
    assert output.read_bytes() == told.openmetrics.read_bytes()


def test_a_run_that_is_stopped_says_how_to_go_on(told: Told, tmp_path: Path) -> None:
    """With the code of a program that was interrupted."""
    output, state = tmp_path / "stopped.om", tmp_path / "stopped.om.state"
    command = [sys.executable, "-m", "exporter", "backfill", *told.options, f"--output={output}"]
    running = subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True)
    eventually(lambda: state.exists() and json.loads(state.read_text())["number"] > 0, "no day was ever done")
    running.send_signal(signal.SIGINT)
    _, said = running.communicate(timeout=DEADLINE_SECONDS)

    assert (running.returncode, said.splitlines()[-1]) == (130, "Stopped. Give the same command again to go on.")


@pytest.fixture(scope="module")
def folder(told: Told, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """The same steps, but fewer, as a file a day, and what was said."""
    path = tmp_path_factory.mktemp("folder") / "history"
    done = run("backfill", *told.options, "--step=6h", f"--output={path}/")
    assert done.returncode == 0, done.stderr
    return path, done.stderr


def test_a_folder_has_a_file_a_day(told: Told, folder: tuple[Path, str]) -> None:
    """Of the days that have a step. The first and the last day may lack one, which depends on the hour of this test."""
    files = sorted(folder[0].iterdir())

    assert [file.name[: len("2026-04-10")] for file in files] == sorted({f"{step:%Y-%m-%d}" for step in told.steps(6)})
    assert all(file.read_bytes().endswith(b"# EOF\n") for file in files)
    assert f"openmetrics {folder[0]}/DAY.om FOLDER" in folder[1]


def test_a_folder_keeps_one_backfill(told: Told, folder: tuple[Path, str]) -> None:
    before = {file: file.read_bytes() for file in folder[0].iterdir()}
    done = run("backfill", *told.options, "--step=12h", f"--output={folder[0]}/")

    assert done.returncode == 1
    assert "holds another backfill already" in done.stderr
    assert {file: file.read_bytes() for file in folder[0].iterdir()} == before


@pytest.mark.tools
def test_a_folders_files_become_blocks_as_the_page_says(folder: tuple[Path, str], tmp_path: Path) -> None:
    shutil.copytree(folder[0], tmp_path / "history")
    assert tool("promtool")
    (loop,) = [command for command in commands_of(ROOT / "docs" / "backfill.md") if command.startswith("for day in ")]

    done = subprocess.run(
        ["bash", "-c", loop.replace("/var/lib/prometheus", "data")],
        cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip

    assert done.returncode == 0, done.stderr
    stored = [json.loads(block.read_text())["stats"]["numSamples"] for block in tmp_path.glob("data/*/meta.json")]
    assert sum(stored) == samples(folder[1])
    assert [*(tmp_path / "history").iterdir()] == []


@pytest.mark.slow
def test_memory_grows_neither_with_the_days_nor_with_the_steps_of_a_day(told: Told) -> None:
    """Ten times as many days, and more than seven times as many steps in one, of which the text alone is above 200 MB."""

    def peak_mb(days: int, step: str) -> float:
        begin = (told.end - timedelta(days=days)).isoformat()
        period = f"--from={begin}", f"--to={told.end.isoformat()}", f"--step={step}"
        return measured(f"--config.file={told.config}", "--output=-", *period, *LABELS).peak_mb

    least = peak_mb(1, "15m")
    assert peak_mb(10, "15m") - least < MOST_GROWTH_MB
    assert peak_mb(1, "2m") - least < MOST_GROWTH_MB


def test_standard_output_carries_nothing_else(told: Told) -> None:
    done = run("backfill", *told.options, "--step=1d", "--output=-")

    assert done.stdout.startswith("# HELP ledger_")
    assert done.stdout.endswith("# EOF\n")


@pytest.mark.parametrize(
    ("options", "code", "words"),
    [
        (("--output=x.om", "--to=2999-01-01"), 2, "three hours in memory"),
        (("--output=x.om", "--from=400d"), 2, "at most 366d"),
        (("--output=x.om", "--from=0001-01-01T00:00:00+05:00"), 2, "neither a date"),
        (("--to-url=http://127.0.0.1:1/api/v1/write", "--from=1960-01-01"), 2, "before any ledger"),
        (("--output=x.om", "--step=0.5s"), 2, "whole seconds"),
        (("--output=x.om", "--step=often"), 2, "must be a duration"),
        (("--to-url=http://127.0.0.1:1/api/v1/write", "--state.file=/proc/state"), 1, "say with --state.file where"),
        ((), 2, "one of --output and --to-url"),
        (("--output=x.om", "--to-url=http://127.0.0.1:1/api/v1/write"), 2, "one of --output and --to-url"),
        (("--output=x.om", "--label=quest=x"), 2, "quest is a label"),
        (("--to-url=ftp://127.0.0.1/",), 2, "must be a URL"),
    ],
)
def test_what_cannot_be_done_is_said_and_leaves_nothing(
    told: Told, tmp_path: Path, options: tuple[str, ...], code: int, words: str
) -> None:
    placed = [option.replace("=x.om", f"={tmp_path / 'x.om'}") for option in options]
    done = run("backfill", f"--config.file={told.config}", *placed)

    assert (done.returncode, words in done.stderr) == (code, True), done.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_ledger_that_cannot_be_read_leaves_nothing(tmp_path: Path) -> None:
    config = configure(tmp_path / "ledger-exporter.yml", "postgresql://127.0.0.1:1/nowhere")
    done = run("backfill", f"--config.file={config}", f"--output={tmp_path / 'x.om'}")

    assert done.returncode == 1
    assert "source main: " in done.stderr
    assert [file.name for file in tmp_path.iterdir()] == ["ledger-exporter.yml"]
