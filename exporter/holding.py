"""What is known of the ledgers between refreshes."""

from __future__ import annotations

from dataclasses import dataclass

from exporter.config import LedgerName
from exporter.parts import DAY_BOUND_WINDOWS, BudgetPart, CostPart, ImpactPart, Part


@dataclass(frozen=True)
class Parts:
    """The merged part of each ledger that is known, as of a UTC day; None where nothing is known."""

    today: int
    cost: CostPart | None = None
    impact: ImpactPart | None = None
    budget: BudgetPart | None = None

    def known(self) -> dict[LedgerName, CostPart | ImpactPart | BudgetPart]:
        """Return the parts that are known, by ledger."""
        parts: dict[LedgerName, CostPart | ImpactPart | BudgetPart | None]
        parts = {"cost": self.cost, "impact": self.impact, "budget": self.budget}
        return {ledger: part for ledger, part in parts.items() if part is not None}

    def windows(self, part: Part) -> tuple[str, ...]:
        """Return the windows a part can still answer: once its day is over, not today's and yesterday's."""
        return windows_on(part, self.today)


def windows_on(part: Part, today: int) -> tuple[str, ...]:
    """Return the windows a part can still answer on a day."""
    if part.today == today:
        return part.windows
    return tuple(window for window in part.windows if window not in DAY_BOUND_WINDOWS)
