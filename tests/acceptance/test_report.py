"""The report of the real command, on real ledgers and of a running exporter: its figures are those of the exposition."""

from __future__ import annotations

import csv
import io
import json
import os
import pty
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from tests.support.commands import run
from tests.support.comparison import snapshot_instant
from tests.support.days import midnight, on_one_day
from tests.support.exporter_process import ROOT, Exporter, Samples
from tests.support.ledgers import configure

VIEWS = ("Allocation", "Efficiency", "Utilization", "Providers", "Waste")
Figures = dict[tuple[str, frozenset[tuple[str, str]]], float]


@pytest.fixture(scope="module")
def quiet(shared_dsn: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The configuration for a small platform that books nothing any more."""
    return configure(tmp_path_factory.mktemp("report") / "ledger-exporter.yml", shared_dsn)


@pytest.fixture(scope="module")
def exporter(quiet: Path) -> Iterator[Exporter]:
    with Exporter(quiet) as running:
        running.until_ready()
        yield running


def told(*options: str) -> str:
    done = run("report", *options)
    assert done.returncode == 0, done.stderr
    return done.stdout


def table(text: str) -> Figures:
    """The samples of a report as CSV."""
    found = {}
    for row in csv.DictReader(io.StringIO(text)):
        labels = {name: text for name, text in row.items() if text and name not in ("view", "metric", "value")}
        found[row["metric"], frozenset(labels.items())] = float(row["value"])
    return found


def of_window(samples: Samples, window: str) -> Figures:
    """The samples of the views as they were scraped."""
    found = {}
    for (metric, labels), value in samples.items():
        without_empty = {name: text for name, text in labels if text}
        counts = metric.endswith("_total") or metric.startswith(("ledger_threshold_", "process_"))
        if not counts and without_empty.get("window", window) == window:
            found[metric, frozenset(without_empty.items())] = value
    return found


@pytest.mark.parametrize("window", ["today", "7d", "all"])
def test_figures_are_those_that_are_scraped(quiet: Path, exporter: Exporter, window: str) -> None:
    """From the ledgers and from the exporter, and nothing is missing but the exporter's health."""

    def look() -> list[Figures]:
        scrape = exporter.until(lambda scrape: snapshot_instant(scrape) >= midnight())
        direct = told(f"--config.file={quiet}", f"--window={window}", "--output=csv")
        asked = told(f"--from-url=http://{exporter.address}", f"--window={window}", "--output=csv")
        return [of_window(scrape, window), table(direct), table(asked)]

    scraped, direct, asked = on_one_day(look)

    health = {metric for metric, _ in scraped} - {metric for metric, _ in direct}
    assert direct == asked
    assert direct == {sample: value for sample, value in scraped.items() if sample[0] not in health}
    assert all(
        re.match(
            r"ledger_(up|source|snapshot|refresh|max_age|first_load|verified|rows|newest|labels|exporter|config)",
            metric,
        )
        for metric in health
    )


def test_json_has_the_same_figures(quiet: Path, exporter: Exporter) -> None:
    found = json.loads(told(f"--config.file={quiet}", "--window=all", "--output=json"))
    scraped = {
        dict(labels)["quest"]: value
        for (metric, labels), value in exporter.scrape().items()
        if metric == "ledger_quest_spend_usd" and dict(labels)["window"] == "all"
    }

    assert {use["quest"]: use["spend_usd"] for use in found["utilization"]["quests"]} == scraped
    assert len(found["utilization"]["days"]) == 30
    assert found["problems"] == []


def test_people_see_five_views_without_any_colour_code(quiet: Path) -> None:
    found = told(f"--config.file={quiet}")

    assert [line.split("  ")[0] for line in found.splitlines() if line.split("  ")[0] in VIEWS] == list(VIEWS)
    assert "\x1b" not in found
    assert "Quest 3" in found


def test_one_quest_by_its_id(quiet: Path) -> None:
    found = json.loads(told(f"--config.file={quiet}", "--quest=quest-2", "--output=json", "--window=all"))

    assert [use["quest"] for use in found["utilization"]["quests"]] == ["Quest 2"]
    assert [share["name"] for share in found["allocation"]["quests"]] == ["Quest 2"]
    assert {task["quest"] for task in found["efficiency"]["tasks"]} == {"Quest 2"}
    assert sum(each["spend_usd"] for each in found["providers"]) == pytest.approx(
        found["utilization"]["quests"][0]["spend_usd"]
    )


def test_a_quest_that_does_not_exist_is_said(quiet: Path) -> None:
    done = run("report", f"--config.file={quiet}", "--quest=Nobody")

    assert (done.returncode, done.stdout) == (1, "")
    assert "there is no quest 'Nobody'; there are: Quest 0, Quest 1, Quest 2, Quest 3" in done.stderr


def on_a_terminal(quiet: Path, **environment: str) -> str:
    """What the command writes where it looks on a terminal of 60 columns."""
    ours, its = pty.openpty()
    running = subprocess.Popen(
        [sys.executable, "-m", "exporter", "report", f"--config.file={quiet}"],
        cwd=ROOT, stdin=its, stdout=its, stderr=its, env={**os.environ, "TERM": "xterm", "COLUMNS": "60", **environment},
    )  # fmt: skip
    os.close(its)
    pieces = []
    while True:
        try:
            piece = os.read(ours, 65_536)
        except OSError:  # nobody writes any more
            break
        if not piece:
            break
        pieces.append(piece)
    os.close(ours)
    assert running.wait() == 0
    return b"".join(pieces).decode()


def test_a_terminal_has_colours_within_its_width(quiet: Path) -> None:
    found = on_a_terminal(quiet)
    plain = re.sub(r"\x1b\[[0-9;]*[mK]", "", found)

    assert "\x1b[1;37;41m Forge " in found
    assert max(len(line.rpartition("\r")[2]) for line in plain.replace("\r\n", "\n").splitlines()) <= 60


def test_no_color_is_honoured(quiet: Path) -> None:
    assert not re.search(r"\x1b\[[0-9;]*(3|4)[0-9][0-9;]*m", on_a_terminal(quiet, NO_COLOR="1"))


def test_a_ledger_that_cannot_be_read_is_said_and_the_others_are_shown(dsn: str, tmp_path: Path) -> None:
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute("drop table impact_ledger")
    done = run("report", f"--config.file={configure(tmp_path / 'ledger-exporter.yml', dsn)}")

    assert done.returncode == 1
    assert (
        "! the impact ledger cannot be read: source main: relation "
        '"impact_ledger" does not exist; SQLSTATE 42P01\n' in done.stdout
    )
    assert "Quest 3" in done.stdout


@pytest.mark.parametrize("form", ["text", "json", "csv"])
def test_why_nothing_can_be_read_is_said_without_any_secret(dsn: str, tmp_path: Path, form: str) -> None:
    """In the report itself; where that is a table of samples, on stderr."""
    nobody = dsn.replace("user=postgres", "user=nobody password=s3cret")
    config = configure(tmp_path / "ledger-exporter.yml", nobody)
    done = run("report", f"--config.file={config}", f"--output={form}")

    assert done.returncode == 1
    said = done.stderr if form == "csv" else done.stdout
    for ledger in ("cost", "impact", "budget"):
        assert f"the {ledger} ledger cannot be read: source main: " in said
    assert said.replace("\\", "").count('role "nobody" does not exist') == 3
    assert "s3cret" not in done.stdout + done.stderr


def test_help_teaches() -> None:
    text = run("report", "--help").stdout

    assert "ledger-exporter report --output=json | jq" in text
    assert "Exit codes: 0 " in text
    assert all(f" {code} " in text.partition("Exit codes")[2] for code in (0, 1, 2, 130))


def test_an_exporter_that_is_not_there_is_said() -> None:
    done = run("report", "--from-url=http://127.0.0.1:1")

    assert (done.returncode, done.stdout) == (1, "")
    assert "http://127.0.0.1:1/metrics cannot be asked" in done.stderr
