"""The ledgers in order of time: what is first seen at each step of a history, read in chunks of bounded size."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Generic, NamedTuple, Protocol, TypeVar

from exporter.databases.postgresql import Source
from exporter.databases.query import Dialogue, Result
from exporter.ledgers.budget import Budget
from exporter.ledgers.cost import Cost
from exporter.ledgers.impact import Impact
from exporter.ledgers.ledger import Abilities, Ledger
from exporter.ledgers.question import Question
from exporter.ledgers.span import Span
from exporter.names.families import Families
from exporter.parts import RECENT_DAYS, ZERO, Allocation, Key, Outcomes, Spend, Waste
from exporter.parts.days import MICROSECONDS_A_DAY, SECONDS_A_DAY
from exporter.parts.numbers import decimal, score, tokens
from exporter.parts.ranges import BEGINNING

CHUNK_ROWS = 20_000
"""How many rows of a ledger are read at once."""


@dataclass(frozen=True)
class Steps:
    """Instants at equal distances, in Unix seconds: step n is `first + n * seconds`."""

    first: int
    seconds: int
    count: int

    def instant(self, step: int) -> int:
        """Return the instant of a step."""
        return self.first + step * self.seconds

    def day(self, step: int) -> int:
        """Return the UTC day of a step."""
        return self.instant(step) // SECONDS_A_DAY

    def reaching(self, instant: int) -> int:
        """Return the step at which an instant is reached; what is before the first is reached at it."""
        return max(0, -((self.first - instant) // self.seconds))

    def showing(self, instant: int) -> int:
        """Return the step that is the first to show what is of an instant, in microseconds since 1970."""
        return max(0, -((self.first * 1_000_000 - instant) // (self.seconds * 1_000_000)))

    @property
    def oldest_day(self) -> int:
        """Return the day that stands for all before the last 30 as of the first step."""
        return self.first // SECONDS_A_DAY - RECENT_DAYS


class Charged(NamedTuple):
    """Charges first seen at a step, of one day, (provider family, model, quest id), and sign.

    `oldest` and `newest` are instants in microseconds since 1970. Days beyond the 30 that windows tell apart stand together.
    """

    step: int
    day: int
    key: Key
    spend: Spend
    refund: bool
    tasks: list[str]
    oldest: int
    newest: int


class Ended(NamedTuple):
    """Outcomes first seen at a step, of one day and (quest id, layer), as they are known now.

    `settled` is the step from which unscored ones are settled, None for those that are scored. `reason` is why they are waste,
    once they are settled.
    """

    step: int
    settled: int | None
    day: int
    key: Key
    reason: str | None
    outcomes: Outcomes
    waste: Waste
    newest: int


class Allocated(NamedTuple):
    """Allocations of one day, first seen at a step, and the quest's names in them."""

    step: int
    day: int
    quest: str | None
    allocation: Allocation
    names: frozenset[str]


class Booked(Protocol):
    """What is first seen at a step."""

    @property
    def step(self) -> int:
        """Return the step."""


B = TypeVar("B", bound=Booked)


class History(Protocol[B]):
    """A ledger whose rows tell what is first seen at each step."""

    @property
    def ledger(self) -> Ledger[Any, Any, Any]:
        """Return the ledger."""

    def booked(self, rows: Result) -> list[B]:
        """Return what rows say, in order of steps."""


class CostHistory:
    """The cost ledger in order of time."""

    def __init__(self, ledger: Cost, steps: Steps, families: Families) -> None:
        self.ledger = ledger
        self._steps = steps
        self._families = families

    def booked(self, rows: Result) -> list[Charged]:
        """Return what charges say, in order of steps: those of one step, day and key are one."""
        oldest = self._steps.oldest_day
        found: dict[tuple[int, int, Key, bool], list[Any]] = {}
        for _, at, _, quest, provider, model, task, text, tokens_in, tokens_out in rows:
            usd = decimal(text)
            if usd is None:
                continue
            key = self._families.of(provider or None), model or None, quest or None
            day = max(at // MICROSECONDS_A_DAY, oldest)
            spend = Spend(usd, tokens(tokens_in), tokens(tokens_out), 1)
            group = found.setdefault((self._steps.showing(at), day, key, usd < 0), [Spend(), set(), at, at])
            group[0] += spend
            if task:
                group[1].add(task)
            group[2], group[3] = min(group[2], at), max(group[3], at)
        charged = (
            Charged(step, day, key, spend, refund, sorted(tasks), first, last)
            for (step, day, key, refund), (spend, tasks, first, last) in found.items()
        )
        return sorted(charged, key=lambda each: each.step)


class ImpactHistory:
    """The impact ledger in order of time."""

    def __init__(self, ledger: Impact, steps: Steps, grace: timedelta) -> None:
        """`grace` is how long an unscored outcome is pending."""
        self.ledger = ledger
        self._steps = steps
        self._grace = round(grace.total_seconds() * 1_000_000)

    def booked(self, rows: Result) -> list[Ended]:
        """Return what outcomes say, in order of steps: those of one step, day, key and judgement are one."""
        found: dict[tuple[int, int | None, int, Key, str | None], list[Any]] = {}
        for _, at, _, quest, layer, _, _, money, scored, burned in rows:
            usd, impact = decimal(money), score(scored)
            if usd is None or (impact is None and scored is not None):
                continue
            burnt = tokens(burned)
            settled = None if scored is not None else self._steps.showing(at + self._grace)
            day = max(at // MICROSECONDS_A_DAY, self._steps.oldest_day)
            reason = self.ledger.judgement.reason(burnt, impact, pending=False) or None
            key = (self._steps.showing(at), settled, day, (quest or None, layer or None), reason)
            group = found.setdefault(key, [Outcomes(), Waste(), at])
            group[0] += Outcomes(impact or ZERO, usd, 1)
            group[1] += Waste(usd, burnt, 1)
            group[2] = max(group[2], at)
        ended = (Ended(*key, outcomes, waste, last) for key, (outcomes, waste, last) in found.items())
        return sorted(ended, key=lambda each: each.step)


class BudgetHistory:
    """The budget ledger in order of time."""

    def __init__(self, ledger: Budget, steps: Steps) -> None:
        self.ledger = ledger
        self._steps = steps

    def booked(self, rows: Result) -> list[Allocated]:
        """Return what allocations say, in order of days."""
        found: dict[tuple[int, str | None], list[Any]] = {}
        for _, at, _, quest, name, text, recorded_text in rows:
            usd, recorded = decimal(text), decimal(recorded_text)
            if usd is None:
                continue
            group = found.setdefault((at // MICROSECONDS_A_DAY, quest or None), [Allocation(), set()])
            group[0] += Allocation(usd, recorded or ZERO, 1, 0 if recorded is None else 1)
            if name:
                group[1].add(name)
        return [
            Allocated(self._steps.reaching(day * SECONDS_A_DAY), day, quest, allocation, frozenset(names))
            for (day, quest), (allocation, names) in sorted(found.items(), key=lambda each: each[0][0])
        ]


class Bookings(Generic[B]):
    """What one source's ledger holds for a history, in order of steps.

    It is read in chunks, each in a snapshot of its own: the past is taken to be settled, and no transaction stays open long.
    """

    def __init__(self, source: Source, history: History[B], steps: Steps) -> None:
        """Read what is reached at these steps."""
        self._source = source
        self._history = history
        self._end = _after(history.ledger, steps.instant(steps.count - 1) * 1_000_000)

    def __iter__(self) -> Iterator[B]:
        """Yield them.

        Raises:
            SourceError: the database cannot be reached, refuses, or does not answer in time.
        """
        start = BEGINNING
        while start < self._end:
            bookings, start = self._chunk(start)
            yield from bookings

    def _chunk(self, start: int) -> tuple[list[B], int]:
        """Return the bookings from an instant on, and the instant up to which they are."""
        with self._source.snapshot() as transaction:
            rows, end = transaction.hold(_chunk(self._history.ledger, Span(start, self._end)))
        return self._history.booked(rows), end


_PLAIN = Abilities(identity=False, snapshots=False, ids=False, rows=0, indexed=True, updates_indexed=False)
"""Asks for rows without their ids and fingerprints."""


def _chunk(ledger: Ledger[Any, Any, Any], where: Span) -> Dialogue[tuple[Result, int]]:
    """Ask for the oldest rows of a span, not too many at once; return them and the end of the span they are of."""
    (((rows, newest),),) = yield [ledger.oldest(where, CHUNK_ROWS)]
    end = where.end if rows < CHUNK_ROWS or newest is None else min(where.end, _after(ledger, newest))
    question = Question(datetime.fromtimestamp(0, UTC))
    (found,) = yield [ledger.all_rows_of(Span(where.start, end), question, _PLAIN)]
    return found, end


def _after(ledger: Ledger[Any, Any, Any], instant: int) -> int:
    """Return the end of a span that an instant is the last of."""
    unit = MICROSECONDS_A_DAY if ledger.instant == "calendar_day" else 1
    return (instant // unit + 1) * unit
