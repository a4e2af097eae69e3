"""Providers: what does each provider cost us?"""

from __future__ import annotations

from collections.abc import Iterator

from exporter.publishing.snapshot import CostFigures, Snapshot
from exporter.sums import WINDOWS, Spend
from exporter.views.metric import Family, Metric

SPEND = Metric(
    "ledger_provider_spend_usd",
    "Sum of the charges of a provider in US dollars, refunds deducted, by window.",
    ("provider", "window"),
)
TOKENS = Metric(
    "ledger_provider_tokens",
    "Tokens charged by a provider, input or output, by window.",
    ("provider", "token_type", "window"),
)
TASKS = Metric(
    "ledger_provider_tasks",
    "Number of distinct tasks charged by a provider, exact, by window. A task of two providers counts for both.",
    ("provider", "window"),
)
CHARGES = Metric(
    "ledger_provider_charges", "Number of charges by a provider, refunds included, by window.", ("provider", "window")
)
CHARGED_TASKS = Metric(
    "ledger_charged_tasks", "Number of distinct tasks charged by any provider, exact, by window.", ("window",)
)
MODEL_SPEND = Metric(
    "ledger_model_spend_usd",
    "Sum of the charges of a provider's model in US dollars, refunds deducted, by window.",
    ("provider", "model", "window"),
)
MODEL_TOKENS = Metric(
    "ledger_model_tokens",
    "Tokens charged for a provider's model, input or output, by window.",
    ("provider", "model", "token_type", "window"),
)
FIRST_SEEN = Metric(
    "ledger_model_first_seen_timestamp_seconds",
    "When a provider's model was first charged, by the ledger's own instants, in seconds since 1970.",
    ("provider", "model"),
)
QUEST_SPEND = Metric(
    "ledger_quest_provider_spend_usd",
    "Sum of the charges of a quest by a provider in US dollars, refunds deducted, by window.",
    ("quest", "provider", "window"),
)
SPEND_TOTAL = Metric(
    "ledger_spend_usd_total",
    "US dollars charged since the exporter started: growth of the charges that are no refunds, never a fall; for rate().",
    ("provider", "model", "quest"),
)
TOKENS_TOTAL = Metric(
    "ledger_tokens_total",
    "Tokens charged since the exporter started, input or output; for rate() and increase().",
    ("provider", "model", "quest", "token_type"),
)
CHARGES_TOTAL = Metric(
    "ledger_charges_total",
    "Number of charges since the exporter started; for rate() and increase().",
    ("provider", "model", "quest"),
)

METRICS = (
    SPEND,
    TOKENS,
    TASKS,
    CHARGES,
    CHARGED_TASKS,
    MODEL_SPEND,
    MODEL_TOKENS,
    FIRST_SEEN,
    QUEST_SPEND,
    SPEND_TOTAL,
    TOKENS_TOTAL,
    CHARGES_TOTAL,
)


def families(snapshot: Snapshot) -> Iterator[Family]:
    """Yield the families of this view."""
    figures = snapshot.cost
    if figures is None:
        return
    yield from _by_provider(figures)
    yield from _tasks(figures)
    yield from _by_model(snapshot, figures)
    yield from _by_quest(snapshot, figures)
    yield from _counters(figures)


def _token_types(spend: Spend, figures: CostFigures) -> Iterator[tuple[str, int]]:
    """Yield the token types the ledger knows, with their numbers."""
    yield "input", spend.tokens_in
    if figures.has_tokens_out:
        yield "output", spend.tokens_out


def _by_provider(figures: CostFigures) -> Iterator[Family]:
    usd, tokens, charges = SPEND.family(), TOKENS.family(), CHARGES.family()
    for (provider, *_), window, spend in figures.spend.by("provider").windows(figures.windows):
        usd.add((provider, window), spend.usd)
        charges.add((provider, window), spend.charges)
        for token_type, number in _token_types(spend, figures):
            tokens.add((provider, token_type, window), number)
    yield from (usd, tokens, charges)


def _tasks(figures: CostFigures) -> Iterator[Family]:
    if figures.tasks is None:
        return
    tasks, all_tasks = TASKS.family(), CHARGED_TASKS.family()
    for (provider, *_), window, _ in figures.spend.by("provider").windows(figures.windows):
        counts = figures.tasks.get(str(provider))
        tasks.add((provider, window), 0 if counts is None else counts[WINDOWS.index(window)])
    for window in figures.windows:
        all_tasks.add((window,), figures.all_tasks[WINDOWS.index(window)])
    yield from (tasks, all_tasks)


def _by_model(snapshot: Snapshot, figures: CostFigures) -> Iterator[Family]:
    usd, tokens, first_seen = MODEL_SPEND.family(), MODEL_TOKENS.family(), FIRST_SEEN.family()
    for key, window, spend in snapshot.folds.combine(figures.spend, "provider", "model").windows(figures.windows):
        usd.add((*key, window), spend.usd)
        for token_type, number in _token_types(spend, figures):
            tokens.add((*key, token_type, window), number)
    earliest: dict[tuple[str | None, ...], int] = {}
    for key, instant in figures.first_seen.items():
        folded = snapshot.folds.combination(("provider", "model"), key)
        earliest[folded] = min(instant, earliest.get(folded, instant))
    for key, instant in earliest.items():
        first_seen.add(key, instant / 1_000_000)
    yield from (usd, tokens, first_seen)


def _by_quest(snapshot: Snapshot, figures: CostFigures) -> Iterator[Family]:
    usd = QUEST_SPEND.family()
    for key, window, spend in snapshot.folds.combine(figures.spend, "quest", "provider").windows(figures.windows):
        usd.add((*key, window), spend.usd)
    yield usd


def _counters(figures: CostFigures) -> Iterator[Family]:
    usd, tokens, charges = SPEND_TOTAL.family(), TOKENS_TOTAL.family(), CHARGES_TOTAL.family()
    for key, spend in figures.counters.items():
        usd.add(key, spend.usd)
        charges.add(key, spend.charges)
        for token_type, number in _token_types(spend, figures):
            tokens.add((*key, token_type), number)
    yield from (usd, tokens, charges)
