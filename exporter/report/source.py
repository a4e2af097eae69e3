"""Where a report's samples come from: the ledgers themselves, or a running exporter."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime

from exporter import views
from exporter.client import Client, with_path
from exporter.config import Config
from exporter.errors import RequestError
from exporter.ledgers.source import Source
from exporter.progress import Progress
from exporter.refresh import Published, Refresh
from exporter.report.samples import Samples, of_exposition, of_families

_SLICE_SECONDS = 0.5
_MOST_VAIN_SLICES = 3


def from_exporter(client: Client, url: str) -> Samples:
    """Read a running exporter's metrics page.

    Raises:
        RequestError: nobody answers, or it is no such page.
    """
    try:
        return of_exposition(client.get(with_path(url, "/metrics")).decode())
    except UnicodeDecodeError:
        raise RequestError(f"{url}: this is no page of metrics") from None


def from_ledgers(config: Config, sources: Mapping[str, Source], progress: Progress) -> Samples:
    """Load the ledgers as `serve` does, and publish once. What cannot be read is missing, and said by its `ledger_up`."""
    refresh = Refresh(config, sources)
    published = refresh.run(_now())
    loaded, vain = _loaded(published), 0
    while loaded < 1 and vain < _MOST_VAIN_SLICES:
        progress.show(loaded)
        refresh.load(_now(), _SLICE_SECONDS, stop_early=False)
        published = refresh.run(_now())
        before, loaded = loaded, _loaded(published)
        vain = 0 if loaded > before else vain + 1
    progress.end()
    return of_families(views.families(published.snapshot))


def _loaded(published: Published) -> float:
    """Return the share that is loaded of the ledger of which it is least; those that cannot be read do not count."""
    return min((state.progress or 0 for state in published.snapshot.health.values() if state.up), default=1)


def _now() -> datetime:
    return datetime.now(UTC)
