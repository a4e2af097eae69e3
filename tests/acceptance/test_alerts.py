"""Incidents are booked into real ledgers; real exporter, Prometheus and Alertmanager tell of each, and of nothing else.

Time is compressed as `tests/support/compressed.py` says. Nothing is mocked.
"""

from __future__ import annotations

import json
import shutil
import threading
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import psycopg
import pytest

from tests.support import compressed, postgres
from tests.support.alert_ledgers import HISTORY, charge
from tests.support.days import skip_shortly_before_midnight
from tests.support.exporter_process import ROOT, Exporter, eventually
from tests.support.ledgers import create_ledgers
from tests.support.processes import free_port, is_ready, process
from tests.support.prometheus import PrometheusApi
from tests.support.tools import tool
from tests.support.webhook import Receiver, receiving

pytestmark = pytest.mark.tools

DEADLINE_SECONDS = 180

CONFIGURATION = """\
sources: {{main: {{dsn: "{dsn}"}}}}
ledgers: {{cost: {{source: main}}, impact: {{source: main}}, budget: {{source: main}}}}
refresh: {{interval: 500ms, timeout: 10s, max_age: 15m}}
thresholds:
  platform: {{silence_seconds: {{warning: 5}}}}
"""


STEADY = """
insert into cost_ledger
values (null, now(), 'bedrock/claude-3', 'claude-3', null, 'reference', 1000, 10, 0.7)
"""
TODAY = "date_trunc('day', now(), 'UTC')"


class Booker(threading.Thread):
    """Books the same statement four times a second until told to stop."""

    def __init__(self, dsn: str, statement: str) -> None:
        super().__init__(daemon=True)
        self._dsn = dsn
        self._statement = statement
        self._stopped = threading.Event()

    def run(self) -> None:
        with psycopg.connect(self._dsn, autocommit=True) as connection:
            while not self._stopped.wait(0.25):
                connection.execute(self._statement.encode())

    def stop(self) -> None:
        self._stopped.set()
        self.join()


@contextmanager
def booking(dsn: str, statement: str) -> Iterator[None]:
    """Book a statement again and again while the block runs."""
    booker = Booker(dsn, statement)
    booker.start()
    try:
        yield
    finally:
        booker.stop()


@dataclass
class Stage:
    """The running whole: the platform's database, what Alertmanager tells, and a steady booking that can be interrupted."""

    dsn: str
    prometheus: PrometheusApi
    receiver: Receiver
    alertmanager: str
    interrupted: Callable[[], AbstractContextManager[None]]

    def execute(self, *statements: str) -> None:
        with psycopg.connect(self.dsn, autocommit=True) as connection:
            for statement in statements:
                connection.execute(statement.encode())

    def alerts(self) -> list[Any]:
        """What fires or is about to in Prometheus."""
        found: list[Any] = (self.prometheus.get("alerts") or {"alerts": []})["alerts"]
        return found

    def silenced(self) -> set[str]:
        """The names of the alerts that Alertmanager knows and keeps to itself."""
        with urllib.request.urlopen(f"http://{self.alertmanager}/api/v2/alerts", timeout=DEADLINE_SECONDS) as answer:
            known = json.load(answer)
        return {alert["labels"]["alertname"] for alert in known if alert["status"]["state"] == "suppressed"}


@pytest.fixture(scope="module")
def stage(server: postgres.Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """The whole, once it runs and is quiet."""
    skip_shortly_before_midnight(8)
    folder = tmp_path_factory.mktemp("alerts")
    name = server.create_database(create_ledgers)
    dsn = server.dsn(name)
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute(HISTORY)
    (folder / "ledger-exporter.yml").write_text(CONFIGURATION.format(dsn=dsn))
    home = folder / "home"
    shutil.copytree(ROOT / "prometheus", home)
    with ExitStack() as stack:
        stack.callback(server.drop_database, name)
        receiver = stack.enter_context(receiving())
        compressed.compress(home, receiver.address)
        steady = stack.enter_context(ExitStack())
        steady.enter_context(booking(dsn, STEADY))

        @contextmanager
        def interrupted() -> Iterator[None]:
            steady.close()
            yield
            steady.enter_context(booking(dsn, STEADY))

        exporter = stack.enter_context(Exporter(folder / "ledger-exporter.yml"))
        exporter.until_ready()
        alertmanager, prometheus = f"127.0.0.1:{free_port()}", f"127.0.0.1:{free_port()}"
        (home / "targets" / "ledger-exporter.yml").write_text(json.dumps([{"targets": [exporter.address]}]))
        (home / "targets" / "alertmanager.yml").write_text(json.dumps([{"targets": [alertmanager]}]))
        stack.enter_context(process(
            folder, tool("alertmanager"), f"--config.file={home / 'alertmanager.yml'}", f"--web.listen-address={alertmanager}",
            f"--storage.path={folder / 'alertmanager'}", "--cluster.listen-address=",
        ))  # fmt: skip
        stack.enter_context(process(
            folder, tool("prometheus"), f"--config.file={home / 'prometheus.yml'}", f"--web.listen-address={prometheus}",
            f"--storage.tsdb.path={folder / 'prometheus'}",
        ))  # fmt: skip
        running = Stage(dsn, PrometheusApi(prometheus), receiver, alertmanager, interrupted)
        eventually(lambda: is_ready(alertmanager), f"Alertmanager has not started; its log is in {folder}")
        # The longest look back (but for hours of tokens) is filled, so that rates are those of the steady booking.
        eventually(
            lambda: (
                (found := running.prometheus.get("query", query="platform:ledger_charges:rate1h offset 20s"))
                and found["result"]
            ),
            f"Prometheus has recorded nothing; its log is in {folder}",
            DEADLINE_SECONDS,
        )
        eventually(lambda: not running.alerts(), f"not quiet: {running.alerts()}", DEADLINE_SECONDS)
        yield running


@pytest.fixture
def quiet(stage: Stage) -> Iterator[Stage]:
    """The whole, before an incident; after it everything has to be quiet again."""
    stage.receiver.received.clear()
    yield stage
    eventually(lambda: not stage.alerts(), f"not quiet again: {stage.alerts()}", DEADLINE_SECONDS)


@contextmanager
def alerted(stage: Stage, receiver: str, alert: str, about: str, *words: str) -> Iterator[dict[str, Any]]:
    """Within the block the alert is told, and no other, with these words; after the block it is resolved."""
    expected = {(receiver, alert, about)}
    told = stage.receiver
    eventually(lambda: told.names("firing"), f"nothing was told; Prometheus says {stage.alerts()}", DEADLINE_SECONDS)
    assert told.names("firing") == expected
    (first, *_) = (one for _, one in told.received)
    assert not [word for word in words if word not in first["annotations"]["description"]], first["annotations"]
    assert first["annotations"]["runbook_url"].endswith(f"#{alert.lower()}")
    yield first
    eventually(
        lambda: told.names("resolved") == expected,
        f"not resolved; told was {told.received}; Prometheus says {stage.alerts()}",
        DEADLINE_SECONDS,
    )
    assert told.names("firing") == expected


UNDO = "delete from cost_ledger where id = -1"
RECORD = """
update quest_budget_allocations set spent_usd = {}
where quest_id = 'drifting' and day = (now() at time zone 'UTC')::date - 1
"""
SHARES_USED = {"LedgerQuestBudgetHalfUsed", "LedgerQuestBudgetMostlyUsed", "LedgerQuestBudgetNearlyUsed"}
"""These are silenced as well, but for the last hours of a day, when they do not even fire."""


def test_a_healthy_platform_is_quiet(stage: Stage) -> None:
    assert stage.receiver.names("firing") == set()
    assert stage.alerts() == []


def test_overspend(quiet: Stage) -> None:
    """The shares used, the pace and the forecast go without saying."""
    quiet.execute(charge("60", "tau"))
    with alerted(quiet, "on-call", "LedgerQuestOverspent", "Tau", "$60.00", "$50.00", "Bedrock") as told:
        assert told["labels"].items() >= {"view": "utilization", "ledger": "cost", "severity": "critical"}.items()
        assert told["annotations"]["dashboard_url"].endswith("/d/ledger-quest?var-quest=Tau")
        quiet.execute(UNDO)


def test_burn(quiet: Stage) -> None:
    """Ahead of the day, within budget, and in a hurry."""
    gone = datetime.now(UTC).timestamp() % 86_400 / 86_400
    quiet.execute(charge(f"{1000 * (gone + (1 - gone) * 0.2):.2f}", "burning"))
    with booking(quiet.dsn, charge("0.1", "burning")), alerted(
        quiet, "on-call", "LedgerQuestFastBurn", "Burning", "Bedrock", "claude-3", "used up at"
    ):  # fmt: skip
        quiet.execute("update quest_budget_allocations set allocated_usd = 1e6 where quest_id = 'burning'")
    quiet.execute(UNDO, "update quest_budget_allocations set allocated_usd = 1000 where quest_id = 'burning'")


def test_spike(quiet: Stage) -> None:
    """It ends by itself when the pace does."""
    quiet.execute(charge("200", provider="glm-4.6", model="glm-4.6"))
    with alerted(quiet, "team", "LedgerProviderSpike", "GLM", "$100.00", "Reference", "glm-4.6") as told:
        assert told["annotations"]["dashboard_url"].endswith("/d/ledger-provider?var-provider=GLM")
        quiet.execute(UNDO)


def test_waste(quiet: Stage) -> None:
    quiet.execute(f"""
        insert into impact_ledger
        select -1, {TODAY} - interval '1 hour', null, 'W-' || n, 'Map nothing', 'wasteful', 'Forge', 90000 + n, 20, 0
        from generate_series(1, 6) as n
    """)
    with alerted(quiet, "team", "LedgerQuestWasteShare", "Wasteful", "$120.00", "Forge", "W-6"):
        quiet.execute("update impact_ledger set impact_score = 3 where id = -1")
    quiet.execute("delete from impact_ledger where id = -1")


def test_runaway(quiet: Stage) -> None:
    """Seen from its charges, before it ends."""
    quiet.execute(charge("12", task="'REF-LOOP'"))
    with ExitStack() as loop:
        loop.enter_context(booking(quiet.dsn, charge("0.01", task="'REF-LOOP'")))
        with alerted(quiet, "on-call", "LedgerTaskRunaway", "Reference", "REF-LOOP", "it goes on") as told:
            assert told["labels"]["task"] == "REF-LOOP"
            loop.close()
    quiet.execute(UNDO)


def test_silence(quiet: Stage) -> None:
    """Nothing is booked although something usually is."""
    with ExitStack() as silence:
        silence.enter_context(quiet.interrupted())
        with alerted(quiet, "team", "LedgerStale", "", "charges an hour are usual") as told:
            assert told["labels"]["ledger"] == "cost"
            silence.close()


def test_drift(quiet: Stage) -> None:
    """Two ledgers disagree about yesterday."""
    quiet.execute(RECORD.format(30))
    with alerted(quiet, "team", "LedgerRecordedSpendDiffers", "Drifting", "$30.00", "$42.00", "$12.00") as told:
        assert told["labels"]["ledger"] == "budget"
        quiet.execute(RECORD.format(42))


def test_outage(quiet: Stage) -> None:
    """A ledger that is down is told of, and silences its money."""
    quiet.execute("alter table quest_budget_allocations rename to gone")
    with alerted(quiet, "team", "LedgerDown", "", "budget ledger cannot be read", "main"):
        quiet.execute(charge("60", "tau"))
        eventually(
            lambda: quiet.silenced() == {"LedgerQuestOverspent"} | SHARES_USED & quiet.silenced(),
            f"not silenced: {quiet.alerts()}",
            DEADLINE_SECONDS,
        )
        quiet.execute(UNDO)
        eventually(lambda: len(quiet.alerts()) == 1, f"still there: {quiet.alerts()}", DEADLINE_SECONDS)
        quiet.execute("alter table gone rename to quest_budget_allocations")
