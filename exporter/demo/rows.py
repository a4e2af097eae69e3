"""What the platform books: charges, outcomes and allocations, in the column order of the reference schema."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from datetime import date, datetime
    from decimal import Decimal

CHARGE_COLUMNS = "created_at, provider, model, task_id, quest_id, tokens_in, tokens_out, cost_usd"
OUTCOME_COLUMNS = "created_at, updated_at, task_id, title, quest_id, layer, total_tokens, cost_usd, impact_score"
ALLOCATION_COLUMNS = "quest_id, quest_name, day, allocated_usd, spent_usd"


class Charge(NamedTuple):
    """A row of the cost ledger, but for its id."""

    created_at: datetime
    provider: str | None
    model: str | None
    task_id: str | None
    quest_id: str | None
    tokens_in: int | None
    tokens_out: int | None
    cost_usd: Decimal


class Allocation(NamedTuple):
    """A row of the budget ledger; `spent_usd` is what the platform itself has counted."""

    quest_id: str
    quest_name: str | None
    day: date
    allocated_usd: Decimal
    spent_usd: Decimal


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a task ended, and when its impact is scored (None: never)."""

    created_at: datetime
    scored_at: datetime | None
    task_id: str
    title: str
    quest_id: str | None
    layer: str | None
    total_tokens: int
    cost_usd: Decimal
    impact_score: float

    def row(self, now: datetime) -> tuple[object, ...]:
        """The row of the impact ledger as it reads at `now`: without an impact until it is scored."""
        scored = self.scored_at is not None and self.scored_at <= now
        updated_at = self.scored_at if scored else self.created_at
        impact = self.impact_score if scored else None
        return (
            self.created_at, updated_at, self.task_id, self.title, self.quest_id,
            self.layer, self.total_tokens, self.cost_usd, impact,
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Task:
    """A task's charges in order of time, and its outcome: None where it broke off or still runs.

    A refund stands behind its charge, though it comes later than those that follow.
    """

    charges: list[Charge]
    outcome: Outcome | None
