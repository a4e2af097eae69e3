"""What goes wrong on the platform, so that there is something to find. Each incident can be had alone, or none at all.

All of them hang on one instant, the `anchor`: the moment the demo starts. Whatever the time of day, a quest has then overspent
today's budget, and a task is running away.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from typing import TYPE_CHECKING

from exporter.demo.models import CODEX, GLM, MICRO, SONNET, Model
from exporter.demo.quests import BRIDGE, CLIMATE, ELECTROLYTE, ENZYME, MICROGLIA, REPLICATION, TAU, Quest
from exporter.demo.rows import Charge, Outcome, Task

if TYPE_CHECKING:
    from collections.abc import Iterable


class Incident(Enum):
    """Something that goes wrong. The value says what, for those who look for it."""

    OVERSPENT = "a quest has spent more than today's budget"
    RUNAWAY = "a task repeats the same call and does not end"
    WASTE = "most of a quest's tasks of the last ten days burnt tokens and produced nothing"
    PRICE_JUMP = "a model's price rose six days ago"
    PENDING = "nobody has scored a quest's outcomes for 20 hours"
    UNFUNDED = "a quest spends and has no allocation"
    BLACK_DAY = "twelve days ago the platform as a whole spent more than its budget"


EVER = datetime.min.replace(tzinfo=UTC)
OVERSPENT_BY = Decimal("1.24")
SWEEP = timedelta(hours=3)
SWEEP_TASKS, SWEEP_CALLS = 16, 12
RUNAWAY_SINCE, RUNAWAY_FOR, RUNAWAY_EVERY = timedelta(hours=5), timedelta(hours=6), timedelta(seconds=12)
RUNAWAY_SHARE = Decimal("0.3")  # of the quest's budget, in the hours before the anchor
WASTED_SHARE, WASTE_DAYS = 0.55, 10
PRICE_FACTOR, PRICE_DAYS = Decimal("1.75"), 6
PENDING_FOR = timedelta(hours=20)
BLACK_DAY_DAYS = 12
BLACK_DAY_USAGE = {TAU.code: 1.35, MICROGLIA.code: 1.3, ENZYME.code: 1.25, ELECTROLYTE.code: 1.2}


@dataclass(frozen=True)
class Incidents:
    """The incidents that hang on an anchor, as answers to what the platform asks while it makes a day.

    Where the ledgers are booked up to an instant already, `after`, the overspending begins after it.
    """

    anchor: datetime
    happening: frozenset[Incident] = field(default=frozenset(Incident))
    after: datetime = EVER

    def _days_before(self, day: date) -> int:
        """How many days before the anchor's a day is."""
        return (self.anchor.date() - day).days

    def funds(self, quest: Quest) -> bool:
        """Whether the quest is given a budget."""
        return not (Incident.UNFUNDED in self.happening and quest is BRIDGE)

    def usage(self, quest: Quest, day: date, usage: float) -> float:
        """The part of its budget the quest's own tasks spend on a day, given the ordinary part."""
        if Incident.BLACK_DAY in self.happening and self._days_before(day) == BLACK_DAY_DAYS:
            return BLACK_DAY_USAGE.get(quest.code, usage)
        if Incident.RUNAWAY in self.happening and quest is ENZYME and abs(self._days_before(day)) <= 1:
            return min(usage, 0.45)  # room for the runaway, so that this quest does not overspend as well
        return usage

    def wasted_share(self, quest: Quest, day: date, share: float) -> float:
        """The part of the quest's tasks of a day that come to nothing, given the ordinary part."""
        wastes = Incident.WASTE in self.happening and quest is CLIMATE and self._days_before(day) <= WASTE_DAYS
        return WASTED_SHARE if wastes else share

    def price_factor(self, model: Model, at: datetime) -> Decimal:
        """What the model's list price is multiplied by at an instant."""
        jumped = Incident.PRICE_JUMP in self.happening and model is GLM
        return PRICE_FACTOR if jumped and self._days_before(at.date()) <= PRICE_DAYS else Decimal(1)

    def scored_at(self, quest: Quest, ended: datetime, scored_at: datetime | None) -> datetime | None:
        """When an outcome is scored, given the ordinary instant: the backlog two hours after the anchor and later."""
        waits = Incident.PENDING in self.happening and quest is REPLICATION and scored_at is not None
        if waits and self.anchor - PENDING_FOR <= ended <= self.anchor:
            return self.anchor + timedelta(hours=2) + (ended - self.anchor + PENDING_FOR) / 20
        return scored_at

    def quests(self, day: date) -> Iterable[Quest]:
        """The quests that have tasks out of the ordinary on a day."""
        if self._days_before(day) == 0:
            yield from (ELECTROLYTE for _ in self.happening & {Incident.OVERSPENT})
            yield from (ENZYME for _ in self.happening & {Incident.RUNAWAY})

    def tasks(self, quest: Quest, day: date, budget_usd: Decimal, spent_usd: Decimal, scale: float) -> list[Task]:
        """The quest's tasks out of the ordinary, given its budget of the day and what it has spent before the anchor."""
        if quest is ENZYME:
            return [_runaway(self.anchor, budget_usd * RUNAWAY_SHARE)]
        start, end = datetime.combine(day, time(), UTC), datetime.combine(day + timedelta(days=1), time(), UTC)
        count = max(4, round(SWEEP_TASKS * scale))
        began = max(start, self.after, self.anchor - SWEEP)
        before = _sweep("A", (began, self.anchor), count, max(Decimal(0), budget_usd * OVERSPENT_BY - spent_usd))
        after = _sweep("B", (self.anchor, min(end, self.anchor + SWEEP)), count // 2, budget_usd * Decimal("0.2"))
        return before + after


def _sweep(name: str, span: tuple[datetime, datetime], count: int, usd: Decimal) -> list[Task]:
    """So many tasks side by side on a dear model, which together cost about `usd` within the span."""
    start, end = span
    tasks = []
    tokens_in, tokens_out = SONNET.tokens_for(float(usd) / (count * SWEEP_CALLS))
    call_usd = SONNET.cost_usd(tokens_in, tokens_out)
    for number in range(count):
        task_id = f"{ELECTROLYTE.code}-{start:%y%m%d}-S{name}{number:02}"
        starts = start + (end - start) * number / (2 * count)
        lasts = (end - starts) * 0.9
        calls = [
            Charge(starts + lasts * step / SWEEP_CALLS, SONNET.providers[0], SONNET.name, task_id, ELECTROLYTE.id,
                   tokens_in, tokens_out, call_usd)
            for step in range(SWEEP_CALLS)
        ]  # fmt: skip
        ended = starts + lasts
        outcome = Outcome(
            ended, ended + timedelta(hours=3), task_id, f"Sweep {number + 1} of {count}: dopants for garnet interfaces",
            ELECTROLYTE.id, "Forge", (tokens_in + tokens_out) * SWEEP_CALLS, call_usd * SWEEP_CALLS, 1.8,
        )  # fmt: skip
        tasks.append(Task(calls, outcome))
    return tasks


def _runaway(anchor: datetime, usd: Decimal) -> Task:
    """A task that repeats one call: `usd` until the anchor, and on at the same rate for hours; it never ends."""
    task_id = f"{ENZYME.code}-{anchor:%y%m%d}-LOOP"
    count = RUNAWAY_SINCE // RUNAWAY_EVERY
    tokens_in, tokens_out = CODEX.tokens_for(float(usd) / count)
    call_usd = CODEX.cost_usd(tokens_in, tokens_out).quantize(MICRO)
    start = anchor - RUNAWAY_SINCE + RUNAWAY_EVERY
    return Task(
        [
            Charge(start + RUNAWAY_EVERY * step, CODEX.providers[0], CODEX.name, task_id, ENZYME.id,
                   tokens_in, tokens_out, call_usd)
            for step in range((RUNAWAY_SINCE + RUNAWAY_FOR) // RUNAWAY_EVERY)
        ],
        None,
    )  # fmt: skip


NO_INCIDENTS = Incidents(EVER, frozenset())
