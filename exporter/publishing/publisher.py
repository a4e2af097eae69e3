"""What scrapes see: the one reference that is swapped, and the outcome of the last reload, which shows at once."""

from __future__ import annotations

import threading

from exporter.publishing.builder import Published
from exporter.publishing.exposition import Demand, Format
from exporter.publishing.snapshot import Reference, Reload


class Publisher:
    """Hands out what is published, and remembers the formats that are asked for."""

    def __init__(self, published: Published, demand: Demand) -> None:
        self.published: Reference[Published] = Reference(published)
        self.reload: Reload = published.snapshot.reload
        """The outcome of the last attempt to load the configuration; it is published with whatever comes next."""
        self._demand = demand
        self._lock = threading.Lock()

    def exposition(self, wanted: Format) -> bytes:
        """Return what is published now in a format, and remember that it is wanted."""
        self._demand.note(wanted)
        return self.published.get().exposition.body(wanted)

    def publish(self, published: Published | None = None) -> None:
        """Swap what scrapes see, or state it anew, with the outcome of the last reload whatever a refresh began with."""
        with self._lock:
            published = published or self.published.get()
            if published.snapshot.reload != self.reload:
                published = published.restated(self.reload, self._demand.recent())
            self.published.swap(published)
