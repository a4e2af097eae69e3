"""What there is to find in the demo's ledgers, told with the figures SQL finds there at this moment."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

from exporter.demo.history import script
from exporter.demo.platform import midnight

if TYPE_CHECKING:
    from datetime import date, datetime
    from decimal import Decimal

    from psycopg import Connection


class Sight(NamedTuple):
    """Something to look for: a sentence, and the PromQL that shows it."""

    sentence: str
    promql: str


ONCE = "max without (instance, pod)"
"""What comes before any sum, so that two exporters side by side do not count twice."""


def sights(connection: Connection[Any], now: datetime) -> list[Sight]:
    """The incidents the ledgers hold at `now`; one that is not there is not told."""
    at = {"now": now, "today": now.date(), "midnight": midnight(now.date())}
    found = []
    for name, tell in TELLERS.items():
        row = connection.execute(script(f"sql/tour/{name}.sql").encode(), at).fetchone()
        if row:
            found.append(tell(*row))
    return found


def _overspent(quest: str, usd: Decimal, budget_usd: Decimal) -> Sight:
    return Sight(
        f"{quest} has overspent: ${usd:,.2f} of today's ${budget_usd:,.2f} ({usd / budget_usd:.0%}).",
        f'{ONCE} (ledger_quest_spend_usd{{window="today"}}) / on (quest) ({ONCE} (ledger_quest_budget_usd) > 0) > 1',
    )


def _runaway(task: str, quest: str, charges: int, usd: Decimal, tokens: Decimal) -> Sight:
    amount = f"{charges:,} charges, {tokens / 1_000_000:,.1f} million tokens, ${usd:,.2f}"
    return Sight(
        f"Task {task} of {quest} runs in a loop: {amount}, no outcome.", f"topk(3, {ONCE} (ledger_costly_task_usd))"
    )


def _wasteful(quest: str, usd: Decimal, share: Decimal) -> Sight:
    return Sight(
        f"{quest} wastes: {share:.0%} of what its outcomes of the last 7 days cost, ${usd:,.2f}, bought nothing.",
        f'sum by (quest) ({ONCE} (ledger_waste_usd{{window="7d", reason!="pending"}}))'
        f' / (sum by (quest) ({ONCE} (ledger_impact_cost_usd{{window="7d"}})) > 0) > 0.25',
    )


def _price_jump(model: str, before_usd: Decimal, after_usd: Decimal) -> Sight:
    prices = f"${after_usd:,.2f} a million tokens, it was ${before_usd:,.2f} ({after_usd / before_usd:.2f} times)"
    return Sight(
        f"{model} has become dearer: {prices}.",
        f'1e6 * sum({ONCE} (ledger_model_spend_usd{{model="{model}", window="today"}}))'
        f' / (sum({ONCE} (ledger_model_tokens{{model="{model}", window="today"}})) > 0)',
    )


def _pending(quest: str, outcomes: int, usd: Decimal, total: Decimal) -> Sight:
    return Sight(
        f"{total:,} tasks are pending, not yet scored; {outcomes:,} of them, ${usd:,.2f}, wait at {quest}.",
        f"sum by (quest) ({ONCE} (ledger_pending_outcomes))",
    )


def _unfunded(quest: str, usd: Decimal) -> Sight:
    return Sight(
        f"{quest} spends without an allocation: ${usd:,.2f} in 7 days.",
        f'{ONCE} (ledger_quest_spend_usd{{window="7d"}}) > 0 unless on (quest) ledger_quest_budget_usd',
    )


def _black_day(day: date, usd: Decimal, budget_usd: Decimal) -> Sight:
    return Sight(
        f"On {day} the platform as a whole overspent: ${usd:,.2f} of ${budget_usd:,.2f}.",
        f"{ONCE} (ledger_day_spend_usd) > on (day) {ONCE} (ledger_day_budget_usd)",
    )


TELLERS: dict[str, Callable[..., Sight]] = {
    "overspent": _overspent,
    "runaway": _runaway,
    "wasteful": _wasteful,
    "price_jump": _price_jump,
    "pending": _pending,
    "unfunded": _unfunded,
    "black_day": _black_day,
}
