"""What a user may configure that changes a figure, with the documented defaults."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from decimal import Decimal

LEDGERS = ("cost", "impact", "budget")

DEFAULT_PROVIDERS = (
    ("minimax|^max$", "MiniMax"),
    ("codex", "Codex"),
    ("bedrock", "Bedrock"),
    ("glm", "GLM"),
)

REFERENCE_RELATIONS = {"cost": "cost_ledger", "impact": "impact_ledger", "budget": "quest_budget_allocations"}


@dataclass(frozen=True)
class Options:
    """The configuration as the oracle needs it. `absent` names columns a ledger does not have, as (ledger, column)."""

    providers: tuple[tuple[str, str], ...] = DEFAULT_PROVIDERS
    min_tokens: int = 1000
    max_impact: Decimal = Decimal("0.5")
    worst_tasks: int = 50
    grace: timedelta = timedelta(hours=24)
    best_tasks: int = 50
    costly_tasks: int = 50
    quests: int = 500
    models: int = 200
    provider_limit: int = 50
    layers: int = 50
    combinations: int = 2000
    max_age: timedelta = timedelta(minutes=15)
    relations: Mapping[str, str] = field(default_factory=lambda: REFERENCE_RELATIONS)
    absent: frozenset[tuple[str, str]] = frozenset()
