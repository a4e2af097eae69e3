"""Families to ready bytes: the exposition is rendered when a snapshot is made, and a scrape only picks a copy."""

from __future__ import annotations

import gzip
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

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


@dataclass(frozen=True)
class Exposition:
    """One snapshot's exposition, ready: (content type, content encoding) to body; and how many series it has."""

    bodies: Mapping[tuple[str, str], bytes]
    series: int


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


def render(families: Iterable[Family]) -> Exposition:
    """Render families, and the process's own metrics, in every format that is served."""
    families = list(families)
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Families(families))
    ProcessCollector(registry=registry)
    bodies: dict[tuple[str, str], bytes] = {}
    for content_type, generate in ((TEXT, generate_latest), (OPENMETRICS, generate_openmetrics)):
        body = generate(registry)
        bodies[content_type, IDENTITY] = body
        bodies[content_type, GZIP] = gzip.compress(body, _GZIP_LEVEL, mtime=0)
    return Exposition(bodies, sum(len(family.samples) for family in families))
