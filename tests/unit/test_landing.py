"""The landing page: what an operator looks for first, and nothing from outside that it does not escape."""

from __future__ import annotations

import base64
import hashlib
import re
import time
from html.parser import HTMLParser

import pytest

from exporter import __version__, landing
from exporter.config import LEDGERS
from exporter.holding import LedgerHealth
from exporter.publishing.builder import Published
from exporter.publishing.exposition import Exposition
from exporter.publishing.snapshot import Reload
from exporter.views.metric import Metric
from tests.support.snapshots import budget_figures, cost_figures, snapshot

EVIL = "<script>alert(1)</script>\"'&"


class _Page(HTMLParser):
    """A page's tags, its text, and the classes of what it marks."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.open: list[str] = []
        self.links: list[str] = []
        self.text = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        if tag != "meta":
            self.open.append(tag)
        self.links += [value or "" for name, value in attrs if name == "href"]

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if "style" not in self.open:
            self.text += data


def page(series: int = 0, telemetry_path: str = "/metrics", **changes: object) -> _Page:
    return _Page(html(series, telemetry_path, **changes))


def html(series: int = 0, telemetry_path: str = "/metrics", **changes: object) -> str:
    family = Metric("ledger_series", "Series.", ("number",)).family()
    for number in range(series):
        family.add((str(number),), 1)
    return landing.page(Published(snapshot(**changes), Exposition([family])), telemetry_path)


def of(**ledgers: LedgerHealth) -> dict[str, object]:
    return {"health": {ledger: LedgerHealth({}) for ledger in LEDGERS} | ledgers}


def test_it_tells_version_series_and_links() -> None:
    found = page(series=1_234, telemetry_path="/my/metrics")

    assert __version__ in found.text
    assert "1,234" in found.text
    assert found.links == ["/my/metrics", "/-/ready", "/-/healthy"]


def test_before_the_first_refresh_nothing_is_claimed() -> None:
    text = page().text

    assert text.count("not read yet") == 3
    assert "Snapshotnever" in re.sub(r"\s*\n\s*", "", text)


def test_each_ledger_tells_its_state() -> None:
    now = time.time()
    up = LedgerHealth({"main": True}, duration_seconds=0.0123, last_success=now)
    down = LedgerHealth({"main": True, "eu": False}, last_success=now - 7200, error="source eu: connection refused")
    text = page(**of(cost=up, budget=down), cost=cost_figures(rejected={"cost": 1234}), instant=now).text

    assert re.search(r"Cost ledger up\s*last read \d s ago · 12 ms · 1,234 rows rejected\s*main", text)
    assert "Impact ledger not read yet" in text
    assert re.search(r"Budget ledger down\s*last read 2 h ago · no values published\s*main eu", text)
    assert "source eu: connection refused" in text


def test_a_first_load_tells_how_far_it_is() -> None:
    loading, done = LedgerHealth({"main": True}, progress=0.374), LedgerHealth({"main": True}, progress=1.0)
    text = page(**of(cost=loading, impact=done)).text

    assert re.search(r"Cost ledger up\s*last read never · no values published · loading: 37%\s*main", text)
    assert text.count("loading") == 1


@pytest.mark.parametrize(
    ("age", "expected"),
    [(0, "0 s ago"), (119, "119 s ago"), (120, "2 min ago"), (7199, "119 min ago"), (7200, "2 h ago"), (200_000, "2 d ago"),
     (-5, "0 s ago")],
)  # fmt: skip
def test_times_are_told_as_ages(age: int, expected: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time, "time", lambda: 1_000_000.0)

    assert expected in page(instant=1_000_000.0 - age).text


def test_quests_with_a_budget_are_counted() -> None:
    assert "Quests with a budget2" in re.sub(r"\s*\n\s*", "", page(budget=budget_figures(budget={"x": 1, "y": 2})).text)


def test_a_failed_reload_is_told() -> None:
    assert "the last attempt failed" in page(reload=Reload(successful=False, success=1.0)).text
    assert "the last attempt failed" not in page(reload=Reload(successful=True, success=1.0)).text


def test_nothing_from_outside_becomes_markup() -> None:
    """An error message may quote data, a source may be called anything."""
    plain, evil = page(**of(cost=LedgerHealth({"x": False}, error="x"))), html(
        **of(cost=LedgerHealth({EVIL: False}, error=EVIL)), telemetry_path=f"/{EVIL}"
    )  # fmt: skip

    assert _Page(evil).tags == plain.tags
    assert EVIL in _Page(evil).text
    assert _Page(evil).links[0] == f"/{EVIL}"


def test_braces_and_dollars_from_outside_are_text() -> None:
    assert "$style ${x} {y}" in page(**of(cost=LedgerHealth({"main": False}, error="$style ${x} {y}"))).text


def test_the_policy_allows_its_own_style_and_nothing_else() -> None:
    (style,) = re.findall(r"<style>(.*?)</style>", html(), re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()

    assert f"default-src 'none'; frame-ancestors 'none'; style-src 'sha256-{digest}'" == landing.POLICY


def test_a_phone_is_told_to_use_its_own_width() -> None:
    assert '<meta name="viewport" content="width=device-width, initial-scale=1">' in html()
