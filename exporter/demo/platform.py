"""What the platform does on a day: its tasks, their charges and outcomes, and the day's allocations.

Everything follows from the seed and the date, so history and live booking are one story and the same start gives the same
ledger. Ordinary days are healthy: a quest spends between 60 and 90 % of its budget, little in the night and most in the
afternoon (UTC), so that at no hour it is far ahead of the day. What is not ordinary comes from `incidents`.
"""

from __future__ import annotations

import math
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from itertools import accumulate
from random import Random
from typing import NamedTuple

from exporter.demo.incidents import NO_INCIDENTS, Incidents
from exporter.demo.models import MODELS, Model
from exporter.demo.quests import HOUSEKEEPING, LAYERS, QUESTS, Quest
from exporter.demo.rows import Allocation, Charge, Outcome, Task

DAY_SECONDS = 86_400
WEEKEND = 0.7
LARGE_QUEST = 80  # tasks a day of a quest that may begin its first at any time; a small one keeps to its hours
GOLDEN = 0.618034
SWING = 0.4  # how far night and afternoon depart from the mean rate
CALLS = (6, 7, 8, 8, 9, 9, 10, 10, 11, 12)

# Parts of all tasks. What strikes some tasks is spread evenly over them, so that no quiet day looks like an incident.
WASTED = 0.06
NEVER_SCORED = 0.012
SCORED_LATE = 0.02
BROKEN_OFF = 0.01
REFUNDED_CALLS = 0.002
UNCOUNTED_CALLS = 0.003
UNLAYERED = 0.004


def _rhythm() -> list[int]:
    """The second of the day at which each thousandth of a day's work has begun; least at 03:00, most at 15:00."""
    weights = [1 - SWING * math.cos(2 * math.pi * (minute / 1440 - 0.125)) for minute in range(1440)]
    begun = list(accumulate(weights))
    seconds, minute = [], 0
    for thousandth in range(1001):
        while minute < 1439 and begun[minute] / begun[-1] < thousandth / 1000:
            minute += 1
        seconds.append(minute * 60)
    return seconds


RHYTHM = _rhythm()


class Shift(NamedTuple):
    """A quest's work of one day: so many tasks, of which a share comes to nothing.

    `phase`, 0 to 1, is when the first begins, as part of the time from one task to the next.
    """

    quest: Quest
    day: date
    tasks: int
    phase: float
    wasted_share: float
    rng: Random


class Call(NamedTuple):
    """A model call before the day's tokens are fitted to its budget."""

    at: datetime
    tokens_in: float
    tokens_out: float


class Draft(NamedTuple):
    """A task before the day's tokens are fitted to its budget; `usd` is what it would cost at list prices."""

    number: int
    model: Model
    provider: str | None
    layer: str
    calls: list[Call]
    wasted: bool
    usd: float


def midnight(day: date) -> datetime:
    """The first instant of a day, in UTC."""
    return datetime.combine(day, time(), UTC)


class Platform:
    """The research platform. `scale` multiplies its tasks, charges and budgets alike; 1 is 4,500 charges a day."""

    def __init__(self, seed: int = 1, scale: float = 1.0, incidents: Incidents = NO_INCIDENTS) -> None:
        self.seed = seed
        self.scale = scale
        self.incidents = incidents

    def budget_usd(self, quest: Quest, day: date) -> Decimal:
        """What the quest may spend on the day: less at weekends, drifting by a tenth over the weeks."""
        drift = 1 + 0.1 * math.sin(2 * math.pi * day.toordinal() / 45 + quest.budget_usd)
        return Decimal(round(quest.budget_usd * self._activity(day) * drift * 4 * self.scale)) / 4

    def allocations(self, day: date) -> list[Allocation]:
        """The day's rows of the budget ledger, with nothing spent yet."""
        return [
            Allocation(quest.id, quest.name, day, self.budget_usd(quest, day), Decimal(0))
            for quest in QUESTS
            if quest.id and self.incidents.funds(quest)
        ]

    def tasks(self, day: date) -> list[Task]:
        """All tasks that begin on the day; the last ones reach into the next."""
        tasks = [task for quest in (*QUESTS, HOUSEKEEPING) for task in self._quest_tasks(quest, day)]
        spent_usd = {quest.code: self._spent_usd(tasks, quest, day) for quest in self.incidents.quests(day)}
        for quest in self.incidents.quests(day):
            tasks += self.incidents.tasks(quest, day, self.budget_usd(quest, day), spent_usd[quest.code], self.scale)
        return tasks

    def _spent_usd(self, tasks: list[Task], quest: Quest, day: date) -> Decimal:
        """What the quest has been charged on the day when the incidents begin."""
        start, end = midnight(day), self.incidents.anchor
        charges = (charge for task in tasks for charge in task.charges if charge.quest_id == quest.id)
        return sum((charge.cost_usd for charge in charges if start <= charge.created_at <= end), Decimal(0))

    def _activity(self, day: date) -> float:
        """How much is done on the day, 1 on a weekday."""
        return WEEKEND if day.weekday() >= 5 else 1.0

    def _price_factor(self, model: Model, day: date) -> float:
        """What the model's list price is multiplied by when the day begins."""
        return float(self.incidents.price_factor(model, midnight(day)))

    def _quest_tasks(self, quest: Quest, day: date) -> list[Task]:
        """The quest's own tasks of a day, their tokens fitted so that the day's spend meets its share of the budget."""
        rng = Random(f"{self.seed}/{quest.code}/{day}")  # noqa: S311  a story, not a secret
        usage = min(0.84, max(0.62, rng.gauss(quest.usage, 0.04))) if quest.id else quest.usage
        target_usd = float(self.budget_usd(quest, day)) * self.incidents.usage(quest, day, usage)
        tasks = max(1, round(quest.tasks * self._activity(day) * rng.uniform(0.93, 1.07) * self.scale))
        phase = 0.5 + rng.uniform(-0.5, 0.5) * min(1.0, tasks / LARGE_QUEST)
        shift = Shift(quest, day, tasks, phase, self.incidents.wasted_share(quest, day, WASTED), rng)
        drafts = [_draft(shift, number) for number in range(tasks)]
        mean_usd = sum(draft.usd for draft in drafts) / tasks
        fit = target_usd / sum(draft.usd * self._price_factor(draft.model, day) for draft in drafts)
        return [self._task(shift, draft, fit, draft.usd / mean_usd) for draft in drafts]

    def _task(self, shift: Shift, draft: Draft, fit: float, effort: float) -> Task:
        """The task a draft becomes when its tokens are multiplied by `fit`; `effort` is its cost relative to the others'."""
        quest, rng = shift.quest, shift.rng
        task_id = f"{quest.code}-{shift.day:%y%m%d}-{draft.number:03}" if quest.id else None
        charges, total_tokens, total_usd = [], 0, Decimal(0)
        for at, raw_in, raw_out in draft.calls:
            tokens_in, tokens_out = int(raw_in * fit), int(raw_out * fit)
            usd = draft.model.cost_usd(tokens_in, tokens_out, self.incidents.price_factor(draft.model, at))
            total_tokens, total_usd = total_tokens + tokens_in + tokens_out, total_usd + usd
            charge = Charge(at, draft.provider, draft.model.name, task_id, quest.id, tokens_in, tokens_out, usd)
            charges.append(
                charge if rng.random() >= UNCOUNTED_CALLS else charge._replace(tokens_in=None, tokens_out=None)
            )
            if rng.random() < REFUNDED_CALLS:
                later = at + timedelta(minutes=rng.uniform(10, 40))
                charges.append(charge._replace(created_at=later, tokens_in=0, tokens_out=0, cost_usd=-usd))
        if task_id is None or rng.random() < BROKEN_OFF:
            return Task(charges, None)
        ended = draft.calls[-1].at + timedelta(seconds=rng.uniform(5, 40))
        layer = None if rng.random() < UNLAYERED else draft.layer
        title, impact = quest.title(rng, draft.layer), _impact(shift, draft, effort)
        scored_at = self.incidents.scored_at(quest, ended, _scored_at(rng, ended))
        return Task(
            charges, Outcome(ended, scored_at, task_id, title, quest.id, layer, total_tokens, total_usd, impact)
        )


def _draft(shift: Shift, number: int) -> Draft:
    """The task of a number: when it starts, which model it calls how often, and whether it comes to nothing."""
    quest, rng = shift.quest, shift.rng
    begun = min(1.0, max(0.0, (number + shift.phase + rng.uniform(-0.2, 0.2)) / shift.tasks))
    second = RHYTHM[int(1000 * begun)] + rng.random() * 60
    at = midnight(shift.day) + timedelta(seconds=min(second, DAY_SECONDS - 1))
    shares = [model.share * (3 if model is quest.favourite else 1) for model in MODELS]
    model = rng.choices(MODELS, shares)[0]
    wasted = _strikes(shift.wasted_share, shift.day.toordinal() * 0.17 + number)
    heavy = 1.4 if wasted and shift.wasted_share > WASTED else 1.0
    size = rng.lognormvariate(0, 0.25) * model.thrift * heavy
    calls = []
    for step in range(rng.choice(CALLS)):
        at += timedelta(seconds=20 + rng.expovariate(1 / 60))
        tokens_in = size * (1 + 0.2 * step) * rng.uniform(0.7, 1.3)
        calls.append(Call(at, tokens_in, tokens_in * rng.uniform(0.04, 0.1)))
    usd = sum(call.tokens_in * model.input_price + call.tokens_out * model.output_price for call in calls) * 1e-9
    layer = rng.choices(LAYERS, quest.layers)[0]
    return Draft(number, model, rng.choice(model.providers), layer, calls, wasted, usd)


def _strikes(share: float, number: float) -> bool:
    """Whether what befalls a share of tasks befalls this one; evenly spread over consecutive numbers."""
    return (number * GOLDEN) % 1 < share


def _impact(shift: Shift, draft: Draft, effort: float) -> float:
    """The task's impact score, 0 to 10: more for more effort, next to nothing where it was wasted."""
    if draft.wasted:
        return round(max(0.0, shift.rng.uniform(-0.2, 0.45)), 2)
    impact = shift.quest.impact * math.pow(effort, 0.6) * shift.rng.lognormvariate(0, 0.25)
    return round(min(10.0, max(0.7, impact)), 2)


def _scored_at(rng: Random, ended: datetime) -> datetime | None:
    """When a task's impact is scored: mostly within hours, now and then days late, a few never."""
    fate = rng.random()
    if fate < NEVER_SCORED:
        return None
    if fate < NEVER_SCORED + SCORED_LATE:
        return ended + timedelta(hours=rng.uniform(26, 70))
    return ended + timedelta(hours=min(18.0, rng.lognormvariate(0.9, 0.6)))
