"""Rows that tests book into the ledgers, with instants before a fixed noon."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal

NOON = datetime(2026, 4, 10, 12, tzinfo=UTC)
SOON = NOON + timedelta(seconds=15)


def charge(at: datetime, task: str | None = "t1", usd: str = "1", provider: str = "codex-mini") -> tuple[object, ...]:
    """A row of the cost ledger."""
    return (at, provider, "m1", task, "q1", 100, 10, Decimal(usd))


def outcome(at: datetime, task: str, score: float | None, *, tokens: int = 5000, usd: str = "1") -> tuple[object, ...]:
    """A row of the impact ledger."""
    return (at, at, task, "A title", "q1", "Forge", tokens, Decimal(usd), score)


def ago(days: float = 0, **others: float) -> datetime:
    """An instant before noon."""
    return NOON - timedelta(days, **others)


def history(days: int = 20, a_day: int = 6) -> list[tuple[object, ...]]:
    """Charges of the last days, the oldest first, each of a task of its own."""
    rows = [(ago(day, minutes=7 * place), f"t{day}-{place}") for day in range(days) for place in range(a_day)]
    return [charge(at, task) for at, task in sorted(rows)]
