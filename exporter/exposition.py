"""Families to ready bytes: the exposition is rendered when a snapshot is made, and a scrape only picks a copy."""

from __future__ import annotations

import gzip
from collections.abc import Callable, Iterable, Iterator
from time import monotonic

from prometheus_client import CollectorRegistry, ProcessCollector
from prometheus_client.core import Metric as LibraryMetric
from prometheus_client.exposition import generate_latest
from prometheus_client.openmetrics.exposition import generate_latest as generate_openmetrics
from prometheus_client.registry import Collector

from exporter.views.metric import Family

TEXT = "text/plain; version=0.0.4; charset=utf-8"
OPENMETRICS = "application/openmetrics-text; version=1.0.0; charset=utf-8"
IDENTITY = "identity"
GZIP = "gzip"

_GZIP_LEVEL = 6
_GENERATORS: dict[str, Callable[[CollectorRegistry], bytes]] = {
    TEXT: generate_latest,
    OPENMETRICS: generate_openmetrics,
}


Format = tuple[str, str]
"""A content type and a content encoding."""

DEFAULT_FORMAT: Format = (TEXT, IDENTITY)
_WANTED_SECONDS = 600


class Demand:
    """Remembers which formats were asked for lately: those a refresh renders ahead."""

    def __init__(self) -> None:
        self._asked: dict[Format, float] = {}

    def note(self, wanted: Format) -> None:
        """Note that a format was asked for now."""
        self._asked[wanted] = monotonic()

    def recent(self) -> set[Format]:
        """Return the formats asked for in the last ten minutes, and the plainest."""
        since = monotonic() - _WANTED_SECONDS
        return {DEFAULT_FORMAT, *(wanted for wanted, asked in list(self._asked.items()) if asked >= since)}


class Exposition:
    """One snapshot's exposition. Formats asked for lately are ready bytes; any other is rendered when first asked for."""

    def __init__(self, families: Iterable[Family], ahead: Iterable[Format] = (DEFAULT_FORMAT,)) -> None:
        """Render families, and the process's own metrics, in the formats given."""
        families = list(families)
        self.series = sum(len(family.samples) for family in families)
        self._registry = CollectorRegistry(auto_describe=False)
        self._registry.register(_Families(families))
        ProcessCollector(registry=self._registry)
        self._bodies: dict[Format, bytes] = {}
        for wanted in ahead:
            self.body(wanted)

    def body(self, wanted: Format) -> bytes:
        """Return the exposition in a format."""
        if wanted not in self._bodies:
            content_type, encoding = wanted
            if encoding == GZIP:
                body = gzip.compress(self.body((content_type, IDENTITY)), _GZIP_LEVEL, mtime=0)
            else:
                body = _GENERATORS[content_type](self._registry)
            self._bodies[wanted] = body
        return self._bodies[wanted]


class _Families(Collector):
    def __init__(self, families: Iterable[Family]) -> None:
        self._families = families

    def collect(self) -> Iterator[LibraryMetric]:
        for family in self._families:
            yield _library_metric(family)


def _library_metric(family: Family) -> LibraryMetric:
    """Return a family as the client library's own, which knows how to escape and print it."""
    name, counter = family.name, family.metric.kind == "counter"
    metric = LibraryMetric(name.removesuffix("_total") if counter else name, family.metric.help, family.metric.kind)
    for labels, value in family.samples.items():
        metric.add_sample(name, dict(zip(family.labels, labels, strict=True)), value)
    return metric
