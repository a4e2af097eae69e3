"""The command line: what cannot be meant is refused before anything is read, and no message repeats a secret."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from exporter import config_file
from exporter.backfill.command import backfill
from exporter.backfill.request import Request
from exporter.config import Config
from exporter.views import METRICS

OWN_LABELS = sorted({label for metric in METRICS for label in metric.labels})


@pytest.fixture
def config(tmp_path: Path) -> Config:
    path = tmp_path / "ledger-exporter.yml"
    path.write_text(
        "sources: {main: {dsn: 'postgresql://127.0.0.1:1/nowhere'}}\n"
        "ledgers: {cost: {source: main}, impact: {source: main}, budget: {source: main}}\n"
    )
    return config_file.load(path)


def refused(*arguments: str) -> str:
    """What is said to a command that is refused as it stands."""
    done = CliRunner().invoke(backfill, arguments)
    assert done.exit_code == 2, done.output
    return " ".join(done.output.replace("│", " ").split())


@pytest.mark.parametrize("label", OWN_LABELS)
def test_a_label_of_the_metrics_themselves_is_taken(label: str) -> None:
    """With it all series of a metric would become one."""
    assert f"{label} is a label that the metrics have themselves" in refused("--output=x.om", f"--label={label}=x")


def test_their_labels_are_known() -> None:
    assert {"quest", "window", "provider", "layer", "day"} <= {*OWN_LABELS}
    assert not {"job", "instance"} & {*OWN_LABELS}


@pytest.mark.parametrize("header", ["Authorization s3cret", "X-Token: s3\ncret", "X-Token: s3cr€t", "a b: s3cret"])
def test_a_header_that_cannot_be_sent_is_refused_unseen(header: str) -> None:
    said = refused("--to-url=http://127.0.0.1:1/api/v1/write", f"--header={header}")

    assert "NAME:VALUE" in said
    assert "s3" not in said


def test_an_import_that_would_take_no_remote_write_is_refused() -> None:
    """It would drop what it cannot read, and say that all is well."""
    said = refused("--to-url=http://127.0.0.1:8428/api/v1/import?extra_label=a=b")

    assert "VictoriaMetrics takes it at /api/v1/write" in said


@pytest.mark.parametrize("label", ["job", "__name__=x", "job=a\nb", "job=\udcff"])
def test_a_label_that_cannot_be_written_is_refused(label: str) -> None:
    assert "NAME=VALUE" in refused("--output=x.om", f"--label={label}")


def test_its_exit_codes_are_told() -> None:
    told = CliRunner().invoke(backfill, ["--help"]).output

    for code in ("0", "1", "2", "130"):
        assert f"{code} " in told.partition("Exit codes:")[2].partition("Options:")[0]


def request(**asked: Any) -> Request:
    plain: dict[str, Any] = {
        "begin": "60d", "end": None, "step": timedelta(minutes=5), "output": None, "url": None, "http_config": None,
        "headers": (), "labels": (), "state": None, "timeout": timedelta(minutes=1),
    }  # fmt: skip
    return Request(**{**plain, **asked})


URL = "http://127.0.0.1:1/api/v1/write"


@pytest.mark.parametrize(
    "other",
    [
        {"url": f"{URL}?extra_label=a"},
        {"headers": (("X-Scope-OrgID", "other"),)},
        {"begin": "30d"},
        {"step": timedelta(minutes=1)},
        {"labels": (("job", "ledger"),)},
    ],
)
def test_another_backfill_has_another_task(config: Config, other: dict[str, Any]) -> None:
    """What goes on must go on to the same receiver, and tenant, with the same."""
    assert request(url=URL).task(config) != request(**{"url": URL, **other}).task(config)


def test_a_token_may_be_another_one(config: Config) -> None:
    """The one before may have run out, which is why the run has stopped."""
    before, after = (request(url=URL, headers=(("authorization", token),)) for token in ("Bearer a", "Bearer b"))

    assert before.task(config) == after.task(config)


def test_a_task_can_be_written(config: Config) -> None:
    assert json.loads(json.dumps(request(url=URL).task(config)))
