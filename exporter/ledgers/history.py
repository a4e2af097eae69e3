"""The ledgers in order of time: what is first seen at each step of a history, read in chunks of bounded size."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, Generic, NamedTuple, Protocol, TypeVar

from exporter.ledgers.budget import Budget
from exporter.ledgers.cost import Cost
from exporter.ledgers.impact import Impact
from exporter.ledgers.ledger import Ledger
from exporter.ledgers.source import Dialogue, Question, Source
from exporter.ledgers.span import Span
from exporter.names.families import Families
from exporter.parts import RECENT_DAYS, ZERO, Allocation, Key, Outcomes, Spend, Waste
from exporter.parts.days import MICROSECONDS_A_DAY, SECONDS_A_DAY
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

    @property
    def parameters(self) -> dict[str, object]:
        """Return the parameters by the names the SQL uses."""
        return {
            "first": datetime.fromtimestamp(self.first, UTC),
            "seconds": self.seconds,
            "oldest": self.first // SECONDS_A_DAY - RECENT_DAYS,
        }


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
    """A ledger whose bookings can be asked for in order of steps."""

    @property
    def ledger(self) -> Ledger[Any]:
        """Return the ledger."""

    def read(self, where: Span) -> Dialogue[list[B]]:
        """Read a range."""


class CostHistory:
    """The cost ledger in order of time."""

    def __init__(self, ledger: Cost, steps: Steps, families: Families) -> None:
        self.ledger = ledger
        self._parameters = steps.parameters
        self._families = families

    def read(self, where: Span) -> Dialogue[list[Charged]]:
        """Read a range."""
        (rows,) = yield [self.ledger.ask("history", self.ledger.within(), {**self._parameters, **where.parameters})]
        return [
            Charged(
                step,
                day,
                (self._families.of(provider), model, quest),
                Spend(usd, int(tokens_in), int(tokens_out), charges),
                refund,
                tasks or [],
                oldest,
                newest,
            )
            for (
                step, day, provider, model, quest, tasks, refund, charges, usd, tokens_in, tokens_out, oldest, newest
            ) in rows
        ]  # fmt: skip


class ImpactHistory:
    """The impact ledger in order of time."""

    def __init__(self, ledger: Impact, steps: Steps, grace: timedelta, min_tokens: int, max_impact: Decimal) -> None:
        """`grace` is how long an unscored outcome is pending, `min_tokens` and `max_impact` tell what is waste."""
        self.ledger = ledger
        self._parameters = {
            **steps.parameters,
            "settled_before": "infinity",  # not asked: from which step on an outcome is settled is
            "grace": grace.total_seconds(),
            "min_tokens": min_tokens,
            "max_impact": max_impact,
        }

    def read(self, where: Span) -> Dialogue[list[Ended]]:
        """Read a range."""
        (rows,) = yield [self.ledger.ask("history", self.ledger.within(), {**self._parameters, **where.parameters})]
        return [
            Ended(
                step,
                settled,
                day,
                (quest, layer),
                reason,
                Outcomes(impact or ZERO, usd, count),
                Waste(usd, int(tokens), count),
                newest,
            )
            for step, settled, day, quest, layer, reason, count, impact, usd, tokens, newest in rows
        ]


class BudgetHistory:
    """The budget ledger in order of time."""

    def __init__(self, ledger: Budget, steps: Steps) -> None:
        self.ledger = ledger
        self._steps = steps
        self._parameters = Question(datetime.fromtimestamp(steps.first, UTC)).parameters

    def read(self, where: Span) -> Dialogue[list[Allocated]]:
        """Read a range."""
        (rows,) = yield [self.ledger.ask("days", self.ledger.within(), {**self._parameters, **where.parameters})]
        found = [
            Allocated(
                self._steps.reaching(day * SECONDS_A_DAY),
                day,
                quest,
                Allocation(usd, recorded_usd, accepted, recorded),
                frozenset(names or ()),
            )
            for day, quest, _, accepted, usd, recorded_usd, recorded, names in rows
            if accepted
        ]
        return sorted(found, key=lambda allocated: allocated.day)


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
            end = transaction.hold(_cut(self._history.ledger, Span(start, self._end)))
            return transaction.hold(self._history.read(Span(start, end))), end


def _cut(ledger: Ledger[Any], where: Span) -> Dialogue[int]:
    """Ask up to which instant to read, so that it is not too much at once."""
    (((rows, newest),),) = yield [ledger.ahead(where, CHUNK_ROWS)]
    return where.end if rows < CHUNK_ROWS or newest is None else min(where.end, _after(ledger, newest))


def _after(ledger: Ledger[Any], instant: int) -> int:
    """Return the end of a span that an instant is the last of."""
    unit = MICROSECONDS_A_DAY if ledger.instant == "calendar_day" else 1
    return (instant // unit + 1) * unit
