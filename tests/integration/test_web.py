"""The pages of a real exporter: what each page answers before, between and after refreshes."""

from __future__ import annotations

import asyncio
import gzip
import threading
from collections.abc import Awaitable, Iterator
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest
from prometheus_client.parser import text_string_to_metric_families

from exporter.app import App
from exporter.publishing.exposition import OPENMETRICS, TEXT
from exporter.web.messages import Request, Response
from exporter.web.pages import Pages
from tests.support.exporter_process import eventually

CONFIGURATION = """\
sources: {{main: {{dsn: "{dsn}"}}}}
ledgers: {{cost: {{source: main}}, impact: {{source: main}}, budget: {{source: main}}}}
refresh: {{timeout: {timeout}}}
"""
CHARGE = (
    "insert into cost_ledger (id, created_at, provider, model, quest_id, tokens_in, cost_usd) "
    "values (1, now(), 'codex', 'mini', 'q', 5, 1)"
)


@dataclass(frozen=True)
class Answer:
    """A response."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def text(self) -> str:
        """The body as text."""
        return self.body.decode()


class Client:
    """Asks the pages without a network between."""

    def __init__(self, app: App, telemetry_path: str = "/metrics", *, lifecycle: bool = False) -> None:
        self._pages = Pages(app, telemetry_path, lifecycle=lifecycle)

    def ask(self, path: str, method: str = "GET", **headers: str) -> Answer:
        """Make a request; header names are written with underscores."""
        names = {name.replace("_", "-").lower(): value for name, value in headers.items()}
        found = self._pages.answer(Request(method, path, names))
        response = found if isinstance(found, Response) else asyncio.run(_awaited(found))
        return Answer(
            response.status,
            {"content-type": response.content_type} | {name.lower(): value for name, value in response.headers},
            response.body,
        )


async def _awaited(found: Awaitable[Response]) -> Response:
    return await found


@pytest.fixture
def config(database: str, tmp_path: Path) -> Path:
    file = tmp_path / "ledger-exporter.yml"
    file.write_text(CONFIGURATION.format(dsn=database, timeout="10s"))
    return file


@pytest.fixture
def app(config: Path) -> Iterator[App]:
    """An exporter whose refreshes run when the test says so."""
    opened = App(config)
    yield opened
    opened.start()  # what never started cannot be stopped
    eventually(opened.stop, "the pass does not end")


def spend(exposition: str) -> dict[str, float]:
    """The sum over the label sets of each of today's spends, by metric."""
    found: dict[str, float] = {}
    for metric in text_string_to_metric_families(exposition):
        for one in metric.samples:
            if one.name.endswith("_spend_usd") and one.labels.get("window") == "today":
                found[one.name] = found.get(one.name, 0) + one.value
    return found


def test_before_the_first_refresh_it_is_healthy_and_not_ready(app: App) -> None:
    client = Client(app)

    assert client.ask("/-/healthy").status == 200
    assert client.ask("/-/ready").status == 503
    assert 'ledger_refreshes_total{ledger="cost"} 0.0\n' in client.ask("/metrics").text


def test_after_the_first_refresh_it_is_ready(app: App) -> None:
    app.run_pass()

    assert Client(app).ask("/-/ready").status == 200
    assert 'ledger_up{ledger="cost"} 1.0\n' in Client(app).ask("/metrics").text


def test_a_failed_refresh_is_ready_too(tmp_path: Path) -> None:
    """Whoever waits for readiness wants the answer, and the answer is that the ledgers are down."""
    file = tmp_path / "ledger-exporter.yml"
    file.write_text(CONFIGURATION.format(dsn=f"host={tmp_path} dbname=d", timeout="10s"))
    down = App(file)
    down.run_pass()

    assert Client(down).ask("/-/ready").status == 200
    assert 'ledger_up{ledger="cost"} 0.0\n' in Client(down).ask("/metrics").text
    assert "No such file or directory" in Client(down).ask("/").text


@pytest.mark.parametrize(
    ("accept", "accept_encoding", "content_type", "content_encoding"),
    [
        ("", "", TEXT, None),
        ("", "gzip", TEXT, "gzip"),
        ("application/openmetrics-text", "", OPENMETRICS, None),
        ("application/openmetrics-text", "gzip", OPENMETRICS, "gzip"),
    ],
)
def test_every_format_is_served_with_its_name(
    app: App, accept: str, accept_encoding: str, content_type: str, content_encoding: str | None
) -> None:
    app.run_pass()
    answer = Client(app).ask("/metrics", Accept=accept, Accept_Encoding=accept_encoding)
    text = gzip.decompress(answer.body) if content_encoding else answer.body

    assert answer.headers["content-type"] == content_type
    assert answer.headers.get("content-encoding") == content_encoding
    assert b"\nledger_up{" in text


@pytest.mark.parametrize("path", ["/metrics", "/", "/-/healthy", "/-/ready"])
def test_nothing_is_posted(app: App, path: str) -> None:
    answer = Client(app).ask(path, "POST")

    assert (answer.status, answer.headers["allow"]) == (405, "GET, HEAD")


def test_the_telemetry_path_is_where_it_was_put(app: App) -> None:
    client = Client(app, "/my/metrics")

    assert client.ask("/my/metrics").status == 200
    assert client.ask("/metrics").status == 404
    assert 'href="/my/metrics"' in client.ask("/").text


def test_no_scrape_sees_half_a_refresh(app: App, database: str) -> None:
    """While refreshes and scrapes run side by side, the money is the same in every view of a scrape."""
    client = Client(app)
    with psycopg.connect(database, autocommit=True) as platform:
        platform.execute(CHARGE)

        def book_and_refresh() -> None:
            for _ in range(15):
                platform.execute(CHARGE)
                app.run_pass()

        app.run_pass()
        booking = threading.Thread(target=book_and_refresh)
        booking.start()
        seen = []
        while booking.is_alive():
            seen.append(spend(client.ask("/metrics").text))
        booking.join()
        seen.append(spend(client.ask("/metrics").text))

    assert all(len(set(scrape.values())) == 1 for scrape in seen)
    assert seen[-1]["ledger_quest_spend_usd"] == 16
    totals = [scrape["ledger_quest_spend_usd"] for scrape in seen]
    assert totals == sorted(totals)


class TestReload:
    def test_it_is_off_unless_asked_for(self, app: App) -> None:
        assert Client(app).ask("/-/reload", "POST").status == 403

    @pytest.mark.parametrize("method", ["POST", "PUT"])
    def test_a_bad_configuration_is_told_and_changes_nothing(self, app: App, config: Path, method: str) -> None:
        app.run_pass()
        config.write_text("sources: {}\n")
        client = Client(app, lifecycle=True)
        answer = client.ask("/-/reload", method)

        assert answer.status == 500
        assert f"{config}:1: ledgers: is required" in answer.text
        assert "ledger_config_last_reload_successful 0.0\n" in client.ask("/metrics").text
        assert 'ledger_up{ledger="cost"} 1.0\n' in client.ask("/metrics").text

    def test_get_is_not_allowed(self, app: App) -> None:
        answer = Client(app, lifecycle=True).ask("/-/reload")

        assert (answer.status, answer.headers["allow"]) == (405, "POST, PUT")

    def test_after_a_good_one_values_stay_until_they_are_read_anew(self, app: App, database: str) -> None:
        with psycopg.connect(database, autocommit=True) as platform:
            platform.execute(CHARGE)
        app.run_pass()
        client = Client(app, lifecycle=True)
        before = spend(client.ask("/metrics").text)
        answer = client.ask("/-/reload", "POST")

        assert (answer.status, answer.text) == (200, "configuration reloaded\n")
        assert spend(client.ask("/metrics").text) == before
