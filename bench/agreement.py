"""Do the parts of one scrape agree? What providers cost together is what quests cost together, in every window.

Pure: bodies in, disagreements out.
"""

from __future__ import annotations

import math
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping

Sums = Mapping[tuple[str, str], float]
"""The sum over all labels but the window, by metric and window."""

GROUPS = (
    (
        "ledger_provider_spend_usd",
        "ledger_quest_spend_usd",
        "ledger_model_spend_usd",
        "ledger_quest_provider_spend_usd",
    ),
    ("ledger_provider_tokens", "ledger_model_tokens"),
)
"""Metrics whose sums are the same money, or the same tokens. Who does not have one of them is not asked about it."""

DAYS = "ledger_day_spend_usd"
DAYS_WINDOW = "30d"
METRICS = frozenset([*(name for group in GROUPS for name in group), DAYS])
WINDOWS = ("today", "yesterday", "7d", "30d", "all")
TOLERANCE = 0.0005
"""Less than half of the smallest charge of the benchmark's ledgers, and far more than floats lose."""

_PREFIX = "sql_"  # of every metric of sql-exporter
_WANTED = "|".join(sorted(METRICS))
_SAMPLE = re.compile(rf"^(?:{_PREFIX})?({_WANTED})\{{(.*)\}} (\S+)".encode(), re.MULTILINE)
_WINDOW = re.compile(rb'(?:^|,)window="([^"]*)"')
_ANY_SAMPLE = re.compile(r"^([a-zA-Z_:][\w:]*)(?:\{(.*)\})? (\S+)")
_LABEL = re.compile(r'(\w+)="((?:[^"\\]|\\.)*)"')


def sums(body: bytes) -> dict[tuple[str, str], float]:
    """Add up the samples of an exposition that must agree with others, by metric and window."""
    values: dict[tuple[str, str], list[float]] = defaultdict(list)
    for name, labels, value in _SAMPLE.findall(body):
        window = _WINDOW.search(labels)
        if window is None and name != DAYS.encode():
            continue
        key = (name.decode(), window[1].decode() if window else DAYS_WINDOW)
        values[key].append(float(value))
    return {key: math.fsum(numbers) for key, numbers in values.items() if key[1] in WINDOWS}


def disagreements(found: Sums, metrics: frozenset[str]) -> list[str]:
    """Return what does not agree: sums that differ, and windows that some parts have and others do not.

    `metrics` are those the exporter publishes when it is complete.
    """
    problems = []
    for group in GROUPS:
        names = [name for name in group if name in metrics]
        for window in WINDOWS:
            numbers = [found.get((name, window)) for name in names]
            if all(number is None for number in numbers):
                continue
            if DAYS in metrics and group is GROUPS[0] and window == DAYS_WINDOW:
                numbers.append(found.get((DAYS, window)))
            known = [number for number in numbers if number is not None]
            if len(known) < len(numbers):
                problems.append(f"{window}: a part is missing")
            elif max(known) - min(known) > TOLERANCE:
                problems.append(f"{window}: {min(known)} is not {max(known)}")
    return problems


def samples(body: bytes) -> Iterator[tuple[str, dict[str, str], float]]:
    """Yield every sample of an exposition: name (without the prefix of sql-exporter), labels, value."""
    for line in body.decode().splitlines():
        if found := _ANY_SAMPLE.match(line):
            yield found[1].removeprefix(_PREFIX), dict(_LABEL.findall(found[2] or "")), float(found[3])


def series(body: bytes) -> int:
    """Count the series of an exposition."""
    return sum(1 for line in body.splitlines() if line and not line.startswith(b"#"))
