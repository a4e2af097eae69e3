"""The five views, and health: pure functions from one snapshot to families of metrics, one file a view."""

from __future__ import annotations

from exporter.publishing.snapshot import Snapshot
from exporter.views import allocation, efficiency, health, providers, thresholds, utilization, waste
from exporter.views.metric import Family, Metric

VIEWS = (allocation, utilization, providers, efficiency, waste, health)

METRICS: tuple[Metric, ...] = tuple(metric for view in (*VIEWS, thresholds) for metric in view.METRICS)
"""Every metric there is, in the order of the views; the thresholds last."""


def families(snapshot: Snapshot) -> list[Family]:
    """Return every family with a sample, of all views."""
    published = [family for view in VIEWS for family in view.families(snapshot) if family.samples]
    info = allocation.quest_info(snapshot, published)
    published += [info] if info.samples else []
    return [*published, *thresholds.families(snapshot, published)]
