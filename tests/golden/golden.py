"""The golden exposition: a fixed ledger, read at a fixed time, as text, without what differs from run to run."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg

from exporter import config_file
from exporter.databases.postgresql import Source
from exporter.publishing.exposition import IDENTITY, TEXT
from exporter.publishing.snapshot import Reload
from exporter.refresher import Refresher

FOLDER = Path(__file__).parent
EXPOSITION = FOLDER / "exposition.txt"
NOON = datetime(2026, 4, 10, 12, tzinfo=UTC)
LOADED = datetime(2026, 4, 10, 11, 59, tzinfo=UTC).timestamp()

CONFIGURATION = """\
sources:
  main: {{dsn: "{dsn}"}}
ledgers:
  cost: {{source: main}}
  impact: {{source: main}}
  budget: {{source: main}}
"""

_MEASURED = (
    (re.compile(r'^(ledger_refresh_duration_seconds\{ledger="\w+"\}) .*$', re.MULTILINE), r"\1 <measured>"),
    (re.compile(r'^(ledger_exporter_build_info)\{python_version="[^"]+",version="[^"]+"\} ', re.MULTILINE),
     r'\1{python_version="<python>",version="<version>"} '),
)  # fmt: skip
"""What is measured or depends on the build; the number or the version is replaced, the series stays."""


def exposition(dsn: str) -> str:
    """Return the text exposition after three refreshes, a minute apart, of an empty database filled with the ledger."""
    config = config_file.parse(CONFIGURATION.format(dsn=dsn))
    source = Source("main", config.sources["main"].conninfo({}), None, config.refresh.timeout)
    refresh = Refresher.new(config, {"main": source}, Reload(success=LOADED))
    try:
        book(dsn, "ledger.sql")
        refresh.run(NOON)
        book(dsn, "later.sql")
        refresh.run(NOON + timedelta(minutes=1))
        published = refresh.run(NOON + timedelta(minutes=2))
    finally:
        source.close()
    return published.exposition.body((TEXT, IDENTITY)).decode()


def book(dsn: str, file: str) -> None:
    """Run one of the files of bookings."""
    with psycopg.connect(dsn) as platform:
        platform.execute((FOLDER / file).read_text())


def normalised(text: str) -> str:
    """Return an exposition without the process's own metrics, its samples in order, and measured values replaced.

    The order of a family's samples is no promise: it is the database's.
    """
    families = [
        family for family in text.split("# HELP ") if family and not family.startswith("process_")
    ]  # fmt: skip
    own = "".join(_ordered(f"# HELP {family}") for family in families)
    for pattern, replacement in _MEASURED:
        own = pattern.sub(replacement, own)
    return own


def _ordered(family: str) -> str:
    """Return a family with its samples in order, its HELP and TYPE first."""
    help_, type_, *samples = family.splitlines(keepends=True)
    return "".join([help_, type_, *sorted(samples)])
