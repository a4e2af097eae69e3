"""The landing page: version, each ledger's state, the last refresh, series and links."""

from __future__ import annotations

import base64
import hashlib
import time
from datetime import UTC, datetime
from html import escape
from importlib import resources
from string import Template

from exporter import __version__
from exporter.holding import LedgerHealth
from exporter.publishing.builder import Published
from exporter.publishing.snapshot import Figures

_PAGE = Template(resources.files("exporter").joinpath("landing.html").read_text(encoding="utf-8"))
_STYLE = resources.files("exporter").joinpath("landing.css").read_text(encoding="utf-8")
POLICY = (
    "default-src 'none'; frame-ancestors 'none'; style-src 'sha256-"
    + base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
    + "'"
)
"""The page's Content-Security-Policy: its own style sheet and nothing else."""

_FIRST_INSTANT = datetime.min.replace(tzinfo=UTC).timestamp()
_NAMES = {"cost": "Cost ledger", "impact": "Impact ledger", "budget": "Budget ledger"}


def page(published: Published, telemetry_path: str) -> str:
    """Return the page as HTML; every value from outside is escaped."""
    snapshot = published.snapshot
    now = time.time()
    ledgers = "\n".join(
        _ledger(ledger, health, snapshot.figures(ledger), now) for ledger, health in snapshot.health.items()
    )
    return _PAGE.substitute(
        style=_STYLE,
        version=escape(__version__),
        telemetry_path=escape(telemetry_path),
        snapshot=_ago(snapshot.instant, now),
        interval=f"{snapshot.settings.refresh_interval_seconds:g} s",
        series=f"{published.exposition.series:,}",
        quests=f"{len(snapshot.budget.budget):,}" if snapshot.budget else "none known",
        configuration="loaded " + _ago(snapshot.reload.success, now)
        if snapshot.reload.successful
        else "not reloadable: the last attempt failed, see the log",
        ledgers=ledgers,
    )


def _ledger(ledger: str, health: LedgerHealth, figures: Figures | None, now: float) -> str:
    state, text = {None: ("wait", "not read yet"), True: ("up", "up"), False: ("down", "down")}[health.up]
    facts = [
        f"last read {_ago(health.last_success, now)}",
        f"{health.duration_seconds * 1000:,.0f} ms" if health.duration_seconds is not None else "",
        f"newest row {_ago(figures.newest / 1_000_000, now)}" if figures and figures.newest is not None else "",
        f"{sum(figures.rejected.values()):,} rows rejected" if figures and any(figures.rejected.values()) else "",
        "" if figures else "no values published",
        f"loading: {health.progress:.0%}" if health.progress is not None and health.progress < 1 else "",
        f"no part read longer than {health.verified_age:,.0f} s ago" if health.verified_age else "",
    ]
    sources = " ".join(
        f'<span class="{"up" if up else "down"}">{escape(source)}</span>' for source, up in health.sources.items()
    )
    error = f"<p class=error>{escape(health.error)}</p>" if health.error else ""
    return (
        f'<li><h2>{escape(_NAMES[ledger])} <b class="{state}">{text}</b></h2>'
        f"<p>{' · '.join(fact for fact in facts if fact)}</p><p>{sources}</p>{error}</li>"
    )


def _ago(instant: float | None, now: float) -> str:
    if instant is None:
        return "never"
    at = datetime.fromtimestamp(max(instant, _FIRST_INSTANT), UTC)
    seconds = max(0, round(now - instant))
    for unit, size in (("d", 86_400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * size:
            return f'<time title="{at:%Y-%m-%d %H:%M:%S} UTC">{seconds // size} {unit} ago</time>'
    return f'<time title="{at:%Y-%m-%d %H:%M:%S} UTC">{seconds} s ago</time>'
