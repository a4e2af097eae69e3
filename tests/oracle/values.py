"""Samples with exact values, and what each becomes as a float."""

from __future__ import annotations

import math
from collections.abc import Mapping
from decimal import Decimal
from fractions import Fraction
from typing import TypeAlias

Exact: TypeAlias = Decimal | int | Fraction
Key: TypeAlias = tuple[str, frozenset[tuple[str, str]]]
Samples: TypeAlias = dict[Key, Exact]


def key(metric: str, labels: Mapping[str, str]) -> Key:
    """The name of a sample: its metric and its labels, in no order."""
    return metric, frozenset(labels.items())


def as_float(value: Exact) -> float:
    """The float nearest to an exact value; infinite where it is beyond them."""
    exact = Fraction(value)
    try:
        return exact.numerator / exact.denominator
    except OverflowError:
        return math.inf if exact > 0 else -math.inf
