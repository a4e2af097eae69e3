"""Weights of labels: what had a row in the last 30 days comes first, then the larger spend in them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal

from exporter.holding import Parts
from exporter.labelling.admission import Admission, Weight
from exporter.labelling.labels import Labeller
from exporter.labelling.naming import quest_ids
from exporter.names.text import RESERVED, clean_or_unknown
from exporter.sums import EXACT, ZERO, Allocation, Key, Outcomes, S, Spend, Table

_NO_WEIGHT: tuple[Decimal, Decimal] = (ZERO, ZERO)


def admit_labels(admission: Admission, parts: Parts) -> None:
    """Admit the values of every open label, by their 30-day spend."""
    cost, impact, budget = parts.cost, parts.impact, parts.budget
    spend = _weights(cost.spend.by("quest"), _spend_usd) if cost else {}
    allocated = _weights(budget.allocations, _allocated_usd) if budget else {}
    impact_cost = _weights(impact.outcomes.by("quest"), _outcome_usd) if impact else {}
    quests: dict[str, Weight] = {}
    for quest in quest_ids(parts):
        weights = [ledger.get((quest,), _NO_WEIGHT) for ledger in (spend, allocated, impact_cost)]
        quests[quest] = (max(recent for recent, _ in weights), *(usd for _, usd in weights))
    admission.admit("quest", quests)
    if cost is not None:
        admission.admit("provider", _open_weights(cost.spend.by("provider"), str, _spend_usd))
        admission.admit("model", _open_weights(cost.spend.by("model"), clean_or_unknown, _spend_usd))
    if impact is not None:
        admission.admit("layer", _open_weights(impact.outcomes.by("layer"), clean_or_unknown, _outcome_usd))


def admit_combinations(admission: Admission, parts: Parts, labeller: Labeller) -> None:
    """Admit combinations of published labels, by their 30-day spend."""
    if parts.cost is not None:
        spend = parts.cost.spend.regroup(parts.cost.spend.labels, labeller.charge)
        for labels in (("provider", "model"), ("quest", "provider")):
            admission.admit_combinations(labels, _weights(spend.by(*labels), _spend_usd))
    if parts.impact is not None:
        outcomes = parts.impact.outcomes.regroup(parts.impact.outcomes.labels, labeller.outcome)
        admission.admit_combinations(("quest", "layer"), _weights(outcomes, _outcome_usd))


def _spend_usd(sums: Spend) -> Decimal:
    return sums.usd


def _outcome_usd(sums: Outcomes) -> Decimal:
    return EXACT.add(sums.usd, sums.pending_usd)


def _allocated_usd(sums: Allocation) -> Decimal:
    return sums.usd


def _weights(table: Table[S], usd: Callable[[S], Decimal]) -> dict[Key, tuple[Decimal, Decimal]]:
    """Return what each key weighs: whether it has a row in the last 30 days (1 or 0), then its US dollars in them."""
    return {key: (Decimal(table.is_recent(key)), usd(table.window(key, "30d"))) for key in table.present()}


def _open_weights(
    table: Table[S], label: Callable[[str | None], str], usd: Callable[[S], Decimal]
) -> dict[str, Weight]:
    labelled = table.regroup(table.labels, _First(label))
    return {str(key[0]): weight for key, weight in _weights(labelled, usd).items() if key[0] not in RESERVED}


@dataclass(frozen=True)
class _First:
    """Relabels keys of one column."""

    label: Callable[[str | None], str]

    def __call__(self, key: Key) -> Key:
        return (self.label(key[0]),)
