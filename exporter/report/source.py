"""Where a report's samples come from: the ledgers themselves, or a running exporter."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from exporter import views
from exporter.client import Client, with_path, without_secrets
from exporter.config import LEDGERS, Config
from exporter.databases.postgresql import Source
from exporter.errors import RequestError
from exporter.progress import Progress
from exporter.publishing.builder import Published
from exporter.publishing.samples import Samples, of_exposition, of_families
from exporter.refresher import Refresher
from exporter.views import health

_SLICE_SECONDS = 0.5
_MOST_VAIN_SLICES = 3


@dataclass(frozen=True)
class Told:
    """All there is to report: samples, and by ledger why it cannot be read, should it be so."""

    samples: Samples
    reasons: Mapping[str, str]


def from_exporter(client: Client, url: str) -> Told:
    """Read a running exporter's metrics page.

    Raises:
        RequestError: nobody answers, it is no such page, or the exporter has read nothing yet.
    """
    page = with_path(url, "/metrics")
    content = client.get(page)
    try:
        samples = Samples(of_exposition(content.decode()))
    except ValueError as error:
        raise RequestError(f"{without_secrets(page)} is no page of metrics: {error}") from None
    if samples.value(health.SNAPSHOT) is None:
        raise RequestError(f"{without_secrets(page)} has no figures of a ledger-exporter that has read its ledgers")
    return Told(samples, dict[str, str].fromkeys(LEDGERS, "the exporter's log says why"))


def from_ledgers(config: Config, sources: Mapping[str, Source], progress: Progress) -> Told:
    """Load the ledgers as `serve` does, and publish once. What cannot be read is missing, with its reason."""
    refresher = Refresher.new(config, sources)
    published = refresher.run(_now())
    loaded, vain = _loaded(published), 0
    while loaded < 1 and vain < _MOST_VAIN_SLICES:
        progress.show(loaded)
        refresher.load(_now(), _SLICE_SECONDS, stop_early=False)
        published = refresher.run(_now())
        before, loaded = loaded, _loaded(published)
        vain = 0 if loaded > before else vain + 1
    progress.end()
    snapshot = published.snapshot
    reasons: dict[str, str] = {
        ledger: state.error for ledger, state in snapshot.health.items() if state.error is not None
    }
    return Told(Samples(of_families(views.families(snapshot))), reasons)


def _loaded(published: Published) -> float:
    """Return the share that is loaded of the ledger of which it is least; those that cannot be read do not count."""
    return min((state.progress or 0 for state in published.snapshot.health.values() if state.up), default=1)


def _now() -> datetime:
    return datetime.now(UTC)
