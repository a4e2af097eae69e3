"""The cost ledger: what was charged, for which quest, by which provider and model, for which task."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from exporter.config import CostLedger, ProviderPattern
from exporter.labels import OTHER, UNKNOWN, clean
from exporter.ledgers.source import Question, Transaction, compose
from exporter.parts import CostPart, Key, Spend, Table, merge_task_days


class Families:
    """Maps providers as booked to their families: the first pattern found decides."""

    def __init__(self, patterns: Sequence[ProviderPattern]) -> None:
        self._patterns = [(re.compile(entry.pattern, re.IGNORECASE), clean(entry.family)) for entry in patterns]
        self._known: dict[str | None, str] = {None: UNKNOWN}

    def of(self, provider: str | None) -> str:
        """Return a provider's family, `other` where no pattern is found in it, `unknown` for None."""
        family = self._known.get(provider)
        if family is None:
            found = (family for pattern, family in self._patterns if pattern.search(provider or ""))
            family = next(found, OTHER)
            if len(self._known) < _MAX_KNOWN_PROVIDERS:
                self._known[provider] = family
        return family


_MAX_KNOWN_PROVIDERS = 10_000


def read(transaction: Transaction, ledger: CostLedger, question: Question, families: Families) -> CostPart:
    """Read the whole cost ledger of a source in the transaction's snapshot.

    Raises:
        SourceError: the database refused a query or broke off.
    """

    def ask(name: str) -> list[tuple[Any, ...]]:
        query = compose(f"cost/{name}", "cost/rows", ledger.relation, ledger.expressions)
        return transaction.rows(query, question.parameters)

    ((rows, bad_instant, bad_cost, newest),) = ask("state")
    spend: list[tuple[Key, int, Spend]] = []
    gross: dict[Key, Spend] = {}
    first_seen: dict[Key, int] = {}
    for day, provider, model, quest, *numbers in ask("spend"):
        key = (families.of(provider), model, quest)
        spend.append((key, day, _spend(*numbers[:4])))
        gross[key] = gross.get(key, Spend()) + _spend(*numbers[4:8])
        first_seen[key[:2]] = min(numbers[8], first_seen.get(key[:2], numbers[8]))
    return CostPart(
        instant=question.now.timestamp(),
        today=question.today,
        rows=rows,
        rejected={"instant": bad_instant, "cost": bad_cost},
        newest=newest,
        spend=Table.of(("provider", "model", "quest"), question.today, Spend(), spend),
        gross=gross,
        first_seen=first_seen,
        tasks=merge_task_days([[((families.of(provider), task), days) for provider, task, days in ask("tasks")]])
        if ledger.has("task_id")
        else None,
        task_spend={(task, quest): _spend(*numbers) for task, quest, *numbers in ask("recent_tasks")}
        if ledger.has("task_id")
        else None,
        has_tokens_out=ledger.has("tokens_out"),
    )


def _spend(usd: Any, tokens_in: Any, tokens_out: Any, charges: Any) -> Spend:  # noqa: ANN401 - as the driver gives them
    return Spend(usd, int(tokens_in), int(tokens_out), int(charges))
