"""The command as an operator runs it: it starts, is scraped, survives its databases, reloads, and ends when told to."""

from __future__ import annotations

import gzip
import math
import re
import signal
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics

from exporter import __version__, app
from exporter.publishing.exposition import OPENMETRICS, TEXT
from exporter.web import serving
from tests.support import postgres
from tests.support.commands import run
from tests.support.exporter_process import DEADLINE_SECONDS, SOON_SECONDS, Exporter, Samples, eventually, sample
from tests.support.ledgers import LEDGERS, configure, create_ledgers

COST_UP = sample("ledger_up", ledger="cost")
INTERVAL = sample("ledger_refresh_interval_seconds")
RELOADED_AT = sample("ledger_config_last_reload_success_timestamp_seconds")
RELOADED = sample("ledger_config_last_reload_successful")
ALL_SPEND = "select sum(cost_usd) from cost_ledger"


def spend(scrape: Samples) -> float:
    """All that was ever spent, as a scrape says."""
    return math.fsum(
        value
        for (name, labels), value in scrape.items()
        if name == "ledger_provider_spend_usd" and ("window", "all") in labels
    )


@pytest.fixture(scope="module")
def exporter(shared_dsn: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Exporter]:
    """An exporter that has refreshed, for tests that only look at it."""
    config = configure(tmp_path_factory.mktemp("pages") / "ledger-exporter.yml", shared_dsn)
    with Exporter(config) as running:
        running.until_ready()
        yield running


class TestPages:
    def test_metrics_are_text_unless_asked_otherwise(self, exporter: Exporter) -> None:
        answer = exporter.ask("/metrics")

        assert (answer.status, answer.headers["content-type"]) == (200, TEXT)
        assert 'ledger_up{ledger="cost"} 1.0\n' in answer.text

    def test_metrics_are_openmetrics_for_those_who_ask(self, exporter: Exporter) -> None:
        answer = exporter.ask("/metrics", Accept="application/openmetrics-text;version=1.0.0,text/plain;q=0.5")

        assert answer.headers["content-type"] == OPENMETRICS
        assert "ledger_spend_usd" in {metric.name for metric in parse_openmetrics(answer.text)}

    def test_metrics_are_compressed_for_those_who_accept_it(self, exporter: Exporter) -> None:
        answer = exporter.ask("/metrics", Accept_Encoding="gzip")

        assert answer.headers["content-encoding"] == "gzip"
        assert answer.headers["vary"] == "Accept, Accept-Encoding"
        assert b"\nledger_up{" in gzip.decompress(answer.body)

    @pytest.mark.parametrize("path", ["/metrics", "/-/healthy", "/-/ready", "/"])
    def test_head_is_get_without_the_body(self, exporter: Exporter, path: str) -> None:
        head, get = exporter.ask(path, "HEAD"), exporter.ask(path)

        assert (head.status, head.body) == (200, b"")
        assert head.headers["content-type"] == get.headers["content-type"]
        assert int(head.headers["content-length"]) > 0

    @pytest.mark.parametrize("path", ["/metric", "/metrics/", "/favicon.ico", "/-/", "//metrics", "/%2e%2e/etc/passwd"])
    def test_other_paths_are_not_found(self, exporter: Exporter, path: str) -> None:
        assert exporter.ask(path).status == 404

    @pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS"])
    def test_other_methods_are_not_allowed(self, exporter: Exporter, method: str) -> None:
        answer = exporter.ask("/metrics", method)

        assert (answer.status, answer.headers["allow"]) == (405, "GET, HEAD")

    def test_a_query_string_changes_nothing(self, exporter: Exporter) -> None:
        assert exporter.ask("/metrics?name[]=up").status == 200

    @pytest.mark.parametrize("path", ["/-/healthy", "/-/ready"])
    def test_it_is_healthy_and_ready(self, exporter: Exporter, path: str) -> None:
        assert exporter.ask(path).status == 200

    def test_the_landing_page_tells_all_at_a_glance(self, exporter: Exporter) -> None:
        answer = exporter.ask("/")

        assert answer.headers["content-type"] == "text/html; charset=utf-8"
        assert answer.headers["content-security-policy"].startswith("default-src 'none'")
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert __version__ in answer.text
        assert answer.text.count('<b class="up">up</b>') == 3

    def test_reloading_over_http_is_off_unless_asked_for(self, exporter: Exporter) -> None:
        answer = exporter.ask("/-/reload", "POST")

        assert answer.status == 403
        assert "--web.enable-lifecycle" in answer.text

    def test_scrapes_do_not_read_the_database(self, exporter: Exporter) -> None:
        """However many Prometheis there are."""
        passes = sample("ledger_refreshes_total", ledger="cost")
        before, began = exporter.scrape(), time.monotonic()
        for _ in range(100):
            exporter.ask("/metrics")
        after, seconds = exporter.scrape(), time.monotonic() - began

        due = seconds / (0.9 * after[INTERVAL]) + 2
        assert after[passes] - before[passes] <= due

    def test_a_log_line_tells_of_each_refresh(self, exporter: Exporter) -> None:
        event = exporter.wait_for("refreshed", since=len(exporter.events))

        assert (event["level"], event["cost_up"], event["impact_up"], event["budget_up"]) == ("info", True, True, True)
        assert event["series"] > 100


class TestStart:
    def test_it_is_alive_before_it_is_ready(self, config: Path, platform: psycopg.Connection[Any]) -> None:
        with platform.transaction():
            platform.execute("lock table cost_ledger in access exclusive mode")
            with Exporter(config) as exporter:
                waiting = {path: exporter.ask(path).status for path in ("/-/healthy", "/-/ready", "/metrics", "/")}

                assert waiting == {"/-/healthy": 200, "/-/ready": 503, "/metrics": 200, "/": 200}
                assert COST_UP not in exporter.scrape()

    def test_it_starts_without_its_database(self, tmp_path: Path) -> None:
        """And says so: a monitoring that does not start because something is down is none."""
        config = configure(tmp_path / "ledger-exporter.yml", f"host={tmp_path} user=me dbname=d connect_timeout=2")
        with Exporter(config) as exporter:
            exporter.until_ready()

            assert exporter.scrape()[COST_UP] == 0
            assert exporter.ask("/-/ready").status == 200
            assert exporter.wait_for("ledger cannot be read", ledger="cost")["level"] == "warn"

    def test_options_may_come_from_the_environment(self, config: Path) -> None:
        environment = {"LEDGER_EXPORTER_WEB_TELEMETRY_PATH": "/my/metrics", "LEDGER_EXPORTER_LOG_LEVEL": "info"}
        with Exporter(config, environment=environment) as exporter:
            assert exporter.ask("/my/metrics").status == 200
            assert exporter.ask("/metrics").status == 404

    def test_it_listens_on_every_address_given(self, config: Path) -> None:
        with Exporter(config, "--web.listen-address=[::1]:0") as exporter:
            second = exporter.wait_for("listening", since=1 + exporter.events.index(exporter.wait_for("listening")))
            host, port = str(second["address"]).rsplit(":", 1)
            connection = socket.create_connection((host.strip("[]"), int(port)), timeout=DEADLINE_SECONDS)
            connection.close()

    def test_a_configuration_that_cannot_be_used_is_exit_code_2(self, tmp_path: Path) -> None:
        config = tmp_path / "ledger-exporter.yml"
        config.write_text("sources: {main: {dsn: 'host=h password=s3cret'}}\nledgers: {}\nrefresh: {interval: soon}\n")
        ended = run("serve", f"--config.file={config}")

        assert (ended.returncode, ended.stdout) == (2, "")
        assert ended.stderr == (
            "ledger-exporter: the configuration cannot be used:\n"
            f"{config}:2: ledgers.budget: is required\n"
            f"{config}:2: ledgers.cost: is required\n"
            f"{config}:2: ledgers.impact: is required\n"
            f"{config}:3: refresh.interval: must be a duration such as 15s, 10m or 1h30m (units ms, s, m, h, d)\n"
        )

    def test_a_port_that_is_taken_is_exit_code_1(self, config: Path) -> None:
        with socket.create_server(("127.0.0.1", 0)) as taken:
            address = f"127.0.0.1:{taken.getsockname()[1]}"
            ended = run("serve", f"--config.file={config}", f"--web.listen-address={address}")

        assert (ended.returncode, ended.stdout) == (1, "")
        assert ended.stderr == f"ledger-exporter: cannot listen on {address}: Address already in use\n"


class TestFirstLoad:
    GATED = """
        insert into cost_ledger (id, created_at, provider, tokens_in, cost_usd)
        select n, now() - n * interval '2 minutes', 'glm', 1, 0.01 from generate_series(1000, 30000) as n;

        create function gated(at timestamptz, cost numeric) returns numeric stable language plpgsql as $$
        begin
            if at < now() - interval '20 days' then raise 'not yet'; end if;
            return cost;
        end $$;
    """
    OPENED = """
        create or replace function gated(at timestamptz, cost numeric) returns numeric stable language sql as 'select cost'
    """

    def test_how_far_it_is_is_told_until_it_is_done(
        self, dsn: str, platform: psycopg.Connection[Any], tmp_path: Path
    ) -> None:
        """On the landing page, in the log and as a metric; a month in the midst of it cannot be read at first."""
        progress = sample("ledger_first_load_progress_ratio", ledger="cost")
        config = configure(tmp_path / "ledger-exporter.yml", dsn)
        gated = '{source: main, columns: {cost_usd: "gated(created_at, cost_usd)"}}'
        config.write_text(config.read_text().replace("cost: {source: main}", f"cost: {gated}"))
        platform.execute(self.GATED)
        with Exporter(config) as exporter:
            begun = exporter.until(lambda scrape: 0.2 < scrape.get(progress, 0) < 1)
            page = exporter.ask("/").text
            told = exporter.wait_for("refreshed", cost_loaded=round(begun[progress], 3))
            platform.execute(self.OPENED)
            done = exporter.until(lambda scrape: scrape[progress] == 1)
            line = exporter.wait_for("refreshed", since=len(exporter.events))
            after = exporter.ask("/").text

        assert re.search(r"Cost ledger .*loading: [2-9]\d%", page)
        assert "loading:" not in after
        assert told["cost_up"]
        assert not {"cost_loaded", "impact_loaded", "budget_loaded"} & line.keys()
        assert spend(begun) == 0
        assert spend(done) == pytest.approx(float(platform.execute(ALL_SPEND).fetchall()[0][0]))


class TestEnd:
    """Soon, with exit code 0, whatever is going on: what is going on would take minutes."""

    def test_the_time_for_what_is_under_way_is_short(self) -> None:
        """Of the two seconds, the rest is the machine's."""
        assert serving._GRACE_SECONDS + app._STOP_SECONDS < 2  # noqa: SLF001 - to measure it takes an idle machine

    @pytest.mark.parametrize("number", [signal.SIGTERM, pytest.param(signal.SIGINT, marks=pytest.mark.slow)])
    def test_when_idle(self, config: Path, number: signal.Signals) -> None:
        with Exporter(config) as exporter:
            exporter.until_ready()
            code, seconds = exporter.end(number)

        assert code == 0
        assert seconds < SOON_SECONDS
        assert exporter.wait_for("ended")

    @pytest.mark.parametrize("number", [pytest.param(signal.SIGTERM, marks=pytest.mark.slow), signal.SIGINT])
    def test_in_the_middle_of_a_blocked_refresh(
        self, dsn: str, tmp_path: Path, platform: psycopg.Connection[Any], number: signal.Signals
    ) -> None:
        platform.execute("alter table cost_ledger rename to cost_rows")
        platform.execute("create view cost_ledger as select rows.* from cost_rows as rows, pg_sleep(600)")
        waiting = "select 1 from pg_stat_activity where wait_event = 'PgSleep' and datname = current_database()"
        with Exporter(configure(tmp_path / "c.yml", dsn, timeout="10m")) as exporter:
            eventually(lambda: platform.execute(waiting).fetchall(), "no refresh waits")
            code, seconds = exporter.end(number)

        assert code == 0
        assert seconds < SOON_SECONDS
        assert [event for event in exporter.events if event.get("level") in {"warn", "error"}] == []

    def test_while_a_database_does_not_answer(self, tmp_path: Path) -> None:
        with socket.create_server(("127.0.0.1", 0)) as silent:
            dsn = f"host=127.0.0.1 port={silent.getsockname()[1]} sslmode=disable user=me dbname=d connect_timeout=600"
            with Exporter(configure(tmp_path / "c.yml", dsn)) as exporter:
                silent.settimeout(DEADLINE_SECONDS)
                asking, _ = silent.accept()
                code, seconds = exporter.end(signal.SIGTERM)
                asking.close()

        assert code == 0
        assert seconds < SOON_SECONDS

    def test_while_a_client_keeps_its_connection(self, config: Path) -> None:
        with Exporter(config) as exporter:
            host, port = exporter.address.split(":")
            with socket.create_connection((host, int(port))) as client:
                client.sendall(b"GET /-/healthy HTTP/1.1\r\nHost: me\r\n\r\n")
                assert client.recv(12) == b"HTTP/1.1 200"
                code, seconds = exporter.end(signal.SIGTERM)

        assert code == 0
        assert seconds < SOON_SECONDS


class TestOutage:
    @pytest.fixture
    def own_server(self, server: postgres.Server) -> Iterator[postgres.Server]:
        """A PostgreSQL that may be stopped."""
        own = postgres.start(server.programs)
        yield own
        own.stop()

    def test_a_stopped_database_is_told_and_values_are_kept_until_it_is_back(
        self, own_server: postgres.Server, tmp_path: Path
    ) -> None:
        create_ledgers(own_server.dsn())
        with psycopg.connect(own_server.dsn(), autocommit=True) as platform:
            platform.execute(LEDGERS)
            expected = float(platform.execute(ALL_SPEND).fetchall()[0][0])
        with Exporter(configure(tmp_path / "c.yml", own_server.dsn())) as exporter:
            exporter.until_ready()
            own_server.halt()
            down = exporter.until(lambda scrape: scrape[COST_UP] == 0)

            assert spend(down) == pytest.approx(expected)
            assert down[sample("ledger_refresh_failures_total", ledger="cost")] > 0
            assert exporter.ask("/-/healthy").status == exporter.ask("/-/ready").status == 200

            own_server.start_again()
            up = exporter.until(lambda scrape: scrape[COST_UP] == 1)

            assert spend(up) == pytest.approx(expected)
            assert exporter.wait_for("ledger can be read again", ledger="cost")

    def test_an_idle_connection_that_was_ended_is_no_outage(
        self, config: Path, platform: psycopg.Connection[Any]
    ) -> None:
        lose = "select pg_terminate_backend(pid, 60000) from pg_stat_activity where application_name like 'ledger-exporter/%'"
        with Exporter(config) as exporter:
            exporter.until_ready()
            before = exporter.scrape()
            passes = sample("ledger_refreshes_total", ledger="cost")
            ended = platform.execute(lose).fetchall()
            after = exporter.until(lambda scrape: scrape[passes] >= before[passes] + 2)

            # A pass may have been running when its connection was ended: that one fails, no other.
            assert ended
            assert after[sample("ledger_refresh_failures_total", ledger="cost")] <= 1
            assert exporter.until(lambda scrape: scrape[COST_UP] == 1)

    def test_a_new_charge_is_seen_at_the_next_refresh(self, config: Path, platform: psycopg.Connection[Any]) -> None:
        with Exporter(config) as exporter:
            exporter.until_ready()
            before = exporter.scrape()
            platform.execute(
                "insert into cost_ledger (id, created_at, provider, cost_usd) values (0, now(), 'glm', 1000)"
            )
            passes = sample("ledger_refreshes_total", ledger="cost")
            booked = exporter.scrape()  # the pass under way may have begun before the charge, the one after it has not
            after = exporter.until(lambda scrape: scrape[passes] >= booked[passes] + 2)

            assert spend(after) == pytest.approx(spend(before) + 1000)


class TestReload:
    """By a signal and over HTTP alike; what cannot be used changes nothing and is told."""

    BAD = "sources: {}\n"

    def test_by_signal(self, dsn: str, config: Path) -> None:
        """A good configuration, a bad one, and the good one again."""
        with Exporter(config) as exporter:
            exporter.until_ready()
            good = configure(config, dsn, interval="250ms").read_text()
            exporter.send(signal.SIGHUP)
            exporter.until(lambda scrape: scrape[INTERVAL] == 0.25)
            config.write_text(self.BAD)
            exporter.send(signal.SIGHUP)
            event = exporter.wait_for("configuration not reloaded; the one before stays")
            bad = exporter.until(lambda scrape: scrape[RELOADED] == 0)
            config.write_text(good)
            exporter.send(signal.SIGHUP)
            exporter.until(lambda scrape: scrape[RELOADED] == 1)

        assert f"{config}:1: ledgers: is required" in event["error"]
        assert (bad[INTERVAL], bad[COST_UP]) == (0.25, 1)

    def test_over_http(self, dsn: str, config: Path) -> None:
        with Exporter(config, "--web.enable-lifecycle") as exporter:
            exporter.until_ready()
            configure(config, dsn, interval="250ms")
            good_answer = exporter.ask("/-/reload", "POST")
            exporter.until(lambda scrape: scrape[INTERVAL] == 0.25)
            config.write_text(self.BAD)
            bad_answer = exporter.ask("/-/reload", "POST")
            bad = exporter.scrape()
            link = exporter.ask("/-/reload")

        assert (good_answer.status, good_answer.text) == (200, "configuration reloaded\n")
        assert bad_answer.status == 500
        assert f"{config}:1: ledgers: is required" in bad_answer.text
        assert (bad[RELOADED], bad[INTERVAL], bad[COST_UP]) == (0, 0.25, 1)
        assert (link.status, link.headers["allow"]) == (405, "POST, PUT")

    def test_counters_do_not_fall_and_values_do_not_vanish(self, config: Path) -> None:
        with Exporter(config, "--web.enable-lifecycle") as exporter:
            exporter.until(lambda scrape: scrape.get(COST_UP) == 1)
            before = exporter.scrape()
            exporter.ask("/-/reload", "POST")
            after = exporter.until(lambda scrape: scrape[RELOADED_AT] > before[RELOADED_AT])

        assert {key for key in before if key[0].startswith("ledger_")} <= after.keys()
        for key, value in before.items():
            if key[0].endswith("_total"):
                assert after[key] >= value
