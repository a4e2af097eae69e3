"""Thresholds: what do alerts and panels compare with?"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from decimal import Decimal

from exporter.names.text import RESERVED
from exporter.publishing.snapshot import Snapshot
from exporter.thresholds import CATALOGUE, Threshold
from exporter.views.metric import Family, Metric


def _metric(threshold: Threshold) -> Metric:
    labels = ("severity",) if threshold.scope == "platform" else (threshold.scope, "severity")
    return Metric(threshold.metric, f"{threshold.help} By severity.", labels)


_METRICS = tuple((threshold, _metric(threshold)) for threshold in CATALOGUE)
METRICS = tuple(metric for _, metric in _METRICS)


def families(snapshot: Snapshot, published: Iterable[Family]) -> Iterator[Family]:
    """Yield the effective thresholds of every quest, provider and layer in the published families, and of the platform."""
    configured = snapshot.settings.thresholds
    names = {scope: sorted(_values(published, scope)) for scope in ("quest", "provider", "layer")}
    for threshold, metric in _METRICS:
        family, usual = metric.family(), configured.levels(threshold)
        if threshold.scope == "platform":
            _add(family, (), usual)
        for name in names.get(threshold.scope, ()):
            keys = _keys(snapshot, threshold, name)
            _add(
                family,
                (name,),
                configured.levels(threshold, *keys) if configured.overrides_any(threshold, keys) else usual,
            )
        if family.samples:
            yield family


def _add(family: Family, labels: tuple[str, ...], levels: Mapping[str, Decimal]) -> None:
    for severity, level in levels.items():
        family.add((*labels, severity), level)


def _values(published: Iterable[Family], label: str) -> set[str]:
    """Return every value of a label in the published families."""
    values: set[str] = set()
    for family in published:
        values |= family.values(label)
    return values


def _keys(snapshot: Snapshot, threshold: Threshold, name: str) -> tuple[str, ...]:
    """Return by what overrides may name something: its label, and for a quest its id, which wins."""
    if threshold.scope == "quest" and name not in RESERVED:
        return name, snapshot.quest_ids[name]
    return (name,)
