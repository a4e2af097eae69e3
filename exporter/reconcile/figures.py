"""Figures to be compared: which samples tell of the ledgers, and what a Prometheus has stored of them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from exporter import views
from exporter.errors import RequestError
from exporter.publishing.counters import LABELS as COUNTER_LABELS
from exporter.publishing.samples import DECLARED, Key
from exporter.views import health
from exporter.views.metric import Metric

Labels = frozenset[tuple[str, str]]
Samples = Mapping[Key, float]
Target = str
"""What tells several exporters in one Prometheus apart: their own labels; empty for one that was asked itself."""

_HEALTH_FIGURES = (health.REJECTED, health.NEWEST_ROW, health.FOLDED)
_VIEWS = (*views.VIEWS, views.thresholds)
VIEW_OF: Mapping[str, str] = {
    metric.name: view.__name__.rpartition(".")[2]
    for view in _VIEWS
    for metric in view.METRICS
    if view is not health or metric in _HEALTH_FIGURES
}
"""The view of every metric that tells of the ledgers; the others of health tell of the exporter."""

_COUNTERS = {metric.name for metric in views.METRICS if metric.kind == "counter"}
_OF_PROCESS = (health.FOLDED.name, frozenset({("label", ",".join(COUNTER_LABELS))}))
"""How many label sets the counters have folded since the exporter started."""
NAMES = tuple(DECLARED)


def of_prometheus(answer: bytes) -> dict[Target, dict[Key, float]]:
    """Return every sample of an instant query's answer, by target.

    Raises:
        RequestError: it is no such answer.
    """
    found: dict[Target, dict[Key, float]] = {}
    try:
        result = json.loads(answer)["data"]["result"]
        for series in result:
            target, key = _stored(series["metric"])
            found.setdefault(target, {})[key] = float(series["value"][1])
    except (ValueError, LookupError, TypeError) as error:
        raise RequestError(f"this is no answer of Prometheus to a query: {error}") from None
    return found


def _stored(labels: Mapping[str, Any]) -> tuple[Target, Key]:
    """Return whose sample it is and which: Prometheus adds labels of the target, and drops those that are empty."""
    name = str(labels["__name__"])
    own = DECLARED[name].labels
    others = sorted((label, value) for label, value in labels.items() if label not in (*own, "__name__"))
    target = ",".join(f'{label}="{value}"' for label, value in others)
    return target, (name, frozenset((label, str(labels.get(label, ""))) for label in own))


def figures(samples: Samples) -> dict[Key, float]:
    """Return the samples that tell of the ledgers."""
    return {key: value for key, value in samples.items() if key[0] in VIEW_OF}


def lasting(samples: Samples) -> dict[Key, float]:
    """Return the figures that every exporter tells alike: not the counters, which begin with the process."""
    return {key: value for key, value in figures(samples).items() if key[0] not in _COUNTERS and key != _OF_PROCESS}


def value_of(samples: Samples, metric: Metric) -> float | None:
    """Return the value of a metric without labels, None where it is not published."""
    return samples.get((metric.name, frozenset()))


def values_of(samples: Samples, metric: Metric) -> dict[Labels, float]:
    """Return every sample of a metric by its labels."""
    return {labels: value for (name, labels), value in samples.items() if name == metric.name}
