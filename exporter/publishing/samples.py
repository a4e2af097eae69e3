"""The samples of one scrape, whether it was made here or read from a running exporter."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from math import fsum

from prometheus_client.parser import text_string_to_metric_families

from exporter import views
from exporter.views.metric import Family, Metric

Labels = dict[str, str]
Sample = tuple[str, Labels, float]
"""A metric's name, labels and a value."""
Key = tuple[str, frozenset[tuple[str, str]]]
"""A metric's name and labels."""

DECLARED = {metric.name: metric for metric in views.METRICS}


class Samples:
    """Values by metric and labels."""

    def __init__(self, samples: Iterable[Sample]) -> None:
        self._by_metric: dict[str, list[tuple[Labels, float]]] = {}
        for metric, labels, value in samples:
            self._by_metric.setdefault(metric, []).append((labels, value))

    def __iter__(self) -> Iterator[tuple[Metric, Labels, float]]:
        """Yield every sample, in the order of the views."""
        for metric in views.METRICS:
            for labels, value in self._by_metric.get(metric.name, ()):
                yield metric, labels, value

    def of(self, metric: Metric, **fixed: str) -> list[tuple[Labels, float]]:
        """Return the samples of a metric that have some labels."""
        return [
            (labels, value) for labels, value in self._by_metric.get(metric.name, ()) if fixed.items() <= labels.items()
        ]

    def by(self, metric: Metric, label: str, **fixed: str) -> dict[str, float]:
        """Return the samples of a metric by one label; what else tells them apart is summed over."""
        found: dict[str, list[float]] = {}
        for labels, value in self.of(metric, **fixed):
            found.setdefault(labels[label], []).append(value)
        return {name: fsum(values) for name, values in found.items()}

    def value(self, metric: Metric, **fixed: str) -> float | None:
        """Return the one value of a metric, None where it has none."""
        return next((value for _, value in self.of(metric, **fixed)), None)

    def of_quests(self, quests: set[str]) -> Samples:
        """Return the samples that are of some quests, or of none at all."""
        return Samples(
            (metric.name, labels, value)
            for metric, labels, value in self
            if "quest" not in labels or labels["quest"] in quests
        )


def by_key(samples: Iterable[Sample]) -> dict[Key, float]:
    """Return values by metric and labels, in no order."""
    return {(name, frozenset(labels.items())): value for name, labels, value in samples}


def of_families(families: Iterable[Family]) -> Iterator[Sample]:
    """Yield the samples of families."""
    for family in families:
        for values, value in family.samples.items():
            yield family.name, dict(zip(family.labels, values, strict=True)), value


def of_exposition(text: str) -> list[Sample]:
    """Return the samples of an exporter's page.

    Raises:
        ValueError: it is none.
    """
    return [
        (sample.name, dict(sample.labels), sample.value)
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if sample.name in DECLARED
    ]
