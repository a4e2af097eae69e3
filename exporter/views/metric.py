"""A metric's declaration and, per refresh, its family of samples, guarded where the exposition could break."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from fractions import Fraction
from operator import itemgetter
from typing import Literal

from exporter.errors import FamilyError

Value = Decimal | Fraction | int | float


@dataclass(frozen=True)
class Metric:
    """What a metric is called, means (with its unit) and is labelled with. A counter's name ends in `_total`."""

    name: str
    help: str
    labels: tuple[str, ...] = ()

    @property
    def kind(self) -> Literal["counter", "gauge"]:
        """Return the type of the metric in the exposition."""
        return "counter" if self.name.endswith("_total") else "gauge"

    def family(self) -> Family:
        """Return a new, empty family of this metric."""
        return Family(self)


@dataclass(frozen=True)
class Family:
    """A metric's samples of one refresh: label values to float."""

    metric: Metric
    samples: dict[tuple[str, ...], float] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """Return the metric's name."""
        return self.metric.name

    @property
    def labels(self) -> tuple[str, ...]:
        """Return the metric's label names."""
        return self.metric.labels

    def values(self, label: str) -> set[str]:
        """Return all values of a label; none where the metric has no such label."""
        return set(map(itemgetter(self.labels.index(label)), self.samples)) if label in self.labels else set()

    def add(self, labels: Sequence[str | None], value: Value) -> None:
        """Add a sample; this is where exact values become floats, each correctly rounded.

        Raises:
            FamilyError: the number of labels is wrong, one is None, or the label set is already there.
        """
        key = tuple(labels)
        if len(key) != len(self.metric.labels) or None in key:
            raise FamilyError(f"{self.name} takes the labels {self.labels}; given: {key}")
        if key in self.samples:
            raise FamilyError(f"{self.name} has two samples for {key}")
        self.samples[key] = _float(value)  # type: ignore[index] # no label is None


def _float(value: Value) -> float:
    """Return the nearest float, infinite where a sum is beyond them all."""
    try:
        return float(value)
    except OverflowError:
        return math.inf if value > 0 else -math.inf
