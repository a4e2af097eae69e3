"""A source opened for one test, one question asked of it, and one refresh of it."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
from pydantic import SecretStr

from exporter import config_file
from exporter.databases.postgresql import Source
from exporter.errors import SourceError
from exporter.publishing.snapshot import Snapshot
from exporter.refresher import Refresher
from tests.support.example_rows import NOON

PLENTY = timedelta(seconds=20)
ALL_LEDGERS = ("cost: {source: main}", "impact: {source: main}", "budget: {source: main}")


@contextlib.contextmanager
def source(dsn: str, timeout: timedelta = PLENTY, password: str | None = None) -> Iterator[Source]:
    """A source, closed at the end."""
    secret = None if password is None else SecretStr(password)
    opened = Source("main", SecretStr(dsn), secret, timeout)
    try:
        yield opened
    finally:
        opened.close()


def ask(opened: Source, question: str) -> list[tuple[Any, ...]]:
    """Ask one question in a transaction of its own."""
    with opened.snapshot() as transaction:
        return transaction.rows(question, {})


def refused(act: Callable[[], object]) -> str:
    """The message with which an act is refused."""
    with pytest.raises(SourceError) as caught:
        act()
    return str(caught.value)


def refresh_once(*lines: str, dsn: str, timeout: str = "20s") -> Snapshot:
    """What one refresh makes of a database under a configuration with further lines."""
    text = f'sources: {{main: {{dsn: "{dsn}"}}}}\nledgers:\n' + "\n".join(f"  {line}" for line in lines)
    settings = config_file.parse(f"{text}\nrefresh: {{timeout: {timeout}}}")
    with source(dsn, settings.refresh.timeout) as opened:
        return Refresher.new(settings, {"main": opened}).run(NOON).snapshot


def up(snapshot: Snapshot) -> dict[str, bool | None]:
    """Which ledgers could be read."""
    return {ledger: health.up for ledger, health in snapshot.health.items()}
