"""A ledger in order of time is at each instant what its rows up to then add up to; tried without a database."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from exporter.backfill.history import History
from exporter.config import BudgetLedger, ImpactLedger, WasteConfig
from exporter.databases.query import Dialogue, Query, Result
from exporter.ledgers.budget import Budget
from exporter.ledgers.impact import Impact
from exporter.ledgers.ledger import Ledger
from exporter.ledgers.question import Question
from exporter.ledgers.span import Span
from exporter.sums import BudgetPart, ImpactPart
from exporter.sums.days import MICROSECONDS_A_DAY
from tests.support.sizes import sizes

BEGIN = datetime(2026, 4, 10, tzinfo=UTC)
GRACE = timedelta(hours=6)
IMPACT = Impact(ImpactLedger(source="main"), WasteConfig(min_tokens=100), best=5)
BUDGET = Budget(BudgetLedger(source="main"))


class Rows:
    """A source, and its transactions, with the rows of one ledger; they answer for spans of instants."""

    def __init__(self, ledger: Ledger[Any, Any, Any], rows: Result, monkeypatch: pytest.MonkeyPatch) -> None:
        self._rows = sorted(rows, key=lambda row: row[1])
        self.sizes: list[int] = []
        monkeypatch.setattr(
            ledger, "oldest_rows_of", lambda where, _question, _able, size: Query("", {"where": where, "size": size})
        )
        monkeypatch.setattr(ledger, "all_rows_of", lambda where, _question, _able: Query("", {"where": where}))

    @contextmanager
    def snapshot(self) -> Iterator[Rows]:
        yield self

    def hold(self, dialogue: Dialogue[Any]) -> Any:
        queries = next(dialogue)
        while True:
            try:
                queries = dialogue.send([self._answer(**query.parameters) for query in queries])  # type: ignore[arg-type]
            except StopIteration as done:
                return done.value

    def _answer(self, where: Span, size: int | None = None) -> Result:
        found = [row for row in self._rows if where.start <= row[1] < where.end][:size]
        self.sizes.append(len(found))
        return found


def at(hours: float) -> Question:
    return Question(BEGIN + timedelta(hours=hours), GRACE)


def micros(hours: float) -> int:
    return at(hours).microseconds


def outcome(hours: float, task: str, impact: str | None, tokens: int = 10) -> tuple[Any, ...]:
    return None, micros(hours), 0, "q", "Atlas", task, None, "2", impact, tokens


def allocation(day: int, usd: str) -> tuple[Any, ...]:
    return None, micros(24 * day) // MICROSECONDS_A_DAY * MICROSECONDS_A_DAY, 0, "q", f"Name {day}", usd, None


@pytest.fixture
def impact(monkeypatch: pytest.MonkeyPatch) -> Rows:
    rows = [outcome(1, "scored", "4"), outcome(2, "waits", None, 500), outcome(30, "later", "1")]
    return Rows(IMPACT, rows, monkeypatch)


def impact_at(history: History[Any], hours: float) -> ImpactPart:
    part = history.part(at(hours))
    assert isinstance(part, ImpactPart)
    return part


def test_rows_count_from_their_instant_on(impact: Rows) -> None:
    history = History(impact, IMPACT, at(0), at(48))  # type: ignore[arg-type]

    found = {hours: impact_at(history, hours).outcomes.window(("q", "Atlas"), "all") for hours in (0.5, 1, 2, 29, 30)}

    assert [sums.rows for sums in found.values()] == [0, 1, 2, 2, 3]
    assert found[30].usd == Decimal(6)


def test_an_outcome_without_a_score_is_pending_until_its_grace_is_over(impact: Rows) -> None:
    """Also where that is on another day, and between two steps."""
    history = History(impact, IMPACT, at(0), at(48))  # type: ignore[arg-type]

    for hours, pending, settled in ((3, 1, 1), (7.9, 1, 1), (8, 0, 2), (30, 0, 3)):
        sums = impact_at(history, hours).outcomes.window(("q", "Atlas"), "all")
        assert (sums.pending, sums.settled) == (pending, settled), hours
    assert {key[2] for key in impact_at(history, 31).waste.present()} == {"unscored"}


def test_rankings_are_of_thirty_days_whenever_they_were_read(impact: Rows) -> None:
    history = History(impact, IMPACT, at(0), at(24 * 60))  # type: ignore[arg-type]

    best = {day: [task.task for task in impact_at(history, 24 * day).best] for day in (2, 29, 30, 31)}

    assert best == {2: ["scored", "later"], 29: ["scored", "later"], 30: ["later"], 31: []}


def test_the_newest_allocation_stands_however_old_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    source = Rows(BUDGET, [allocation(0, "5"), allocation(1, "7"), allocation(90, "9")], monkeypatch)
    history = History(source, BUDGET, at(0), at(24 * 90))  # type: ignore[arg-type]

    for day, usd in ((0, 5), (1, 7), (70, 7), (90, 9)):
        part = history.part(at(24 * day))
        assert isinstance(part, BudgetPart)
        assert part.current == {"q": Decimal(usd)}, day


def test_chunks_are_cut_between_instants(monkeypatch: pytest.MonkeyPatch) -> None:
    """And hold all rows of one, however many these are."""
    source = Rows(BUDGET, [allocation(day, "1") for day in (0, 0, 0, 1, 2, 2)], monkeypatch)
    with sizes(history_chunk_rows=2):
        history = History(source, BUDGET, at(0), at(72))  # type: ignore[arg-type]
        rows = [history.part(at(24 * day)).rows for day in range(4)]

    assert rows == [3, 4, 6, 6]
    assert max(source.sizes) == 3
