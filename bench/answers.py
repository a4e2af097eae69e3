"""Do all exporters answer the six questions alike? Pure: bodies in, answers and differences out."""

from __future__ import annotations

import math
from collections.abc import Mapping

from bench import agreement
from bench.questions import QUESTIONS


def of(body: bytes) -> dict[tuple[str, ...], float]:
    """Return an exposition's answers to the six questions, by metric and label values; ours in the peers' terms."""
    found: dict[tuple[str, ...], float] = {}
    wanted = {question.metric: question.labels for question in QUESTIONS}
    for metric, all_labels, value in agreement.samples(body):
        name, labels = metric, dict(all_labels)
        if name == "ledger_quest_budget_usd":
            name, labels["window"] = "ledger_quest_spend_usd", "budget"
        elif name == "ledger_waste_usd":
            name = "ledger_quest_waste_usd"
        if name in wanted and labels["window"] != "yesterday" and not math.isnan(value):
            key = (name, *(labels[label] for label in wanted[name]))
            found[key] = found.get(key, 0.0) + value
    return found


def differences(ours: Mapping[tuple[str, ...], float], theirs: Mapping[tuple[str, ...], float]) -> list[str]:
    """Return in words where two exporters answer differently; nothing on the one side is 0 on the other."""
    return [
        f"{' '.join(key)}: {ours.get(key)} and {theirs.get(key)}"
        for key in sorted({*ours, *theirs})
        if not math.isclose(ours.get(key, 0.0), theirs.get(key, 0.0), rel_tol=1e-9, abs_tol=1e-9)
    ]
