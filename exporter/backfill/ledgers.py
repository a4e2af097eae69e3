"""The three ledgers as they were at a step: each takes in what is first seen, step by step."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from decimal import Decimal
from heapq import heappop, heappush
from typing import Any, Generic, TypeVar

from exporter.backfill.running import RunningTally
from exporter.backfill.tasks import RunningTasks
from exporter.config import CostLedger
from exporter.ledgers.history import Allocated, Booked, Charged, Ended
from exporter.parts import (
    EXACT,
    WINDOWS,
    ZERO,
    Allocation,
    BudgetPart,
    CostPart,
    ImpactPart,
    Key,
    Outcomes,
    Spend,
    Table,
    TaskNumbers,
    Waste,
)
from exporter.parts.days import MICROSECONDS_A_DAY
from exporter.parts.range_sums import add_sums
from exporter.parts.whole import Names, newest_names

B = TypeVar("B", bound=Booked)


class LedgerPast(ABC, Generic[B]):
    """What the ledgers have in common.

    `has_newcomers` tells whether the step brought labels that had no row in 30 days, `has_fallen` whether something may be
    less than it was, so that a series may have ended.
    """

    def __init__(self, bookings: Iterator[B], today: int, *tallies: RunningTally[Any]) -> None:
        """`bookings` are in order of steps; `tallies` are the ledger's tables."""
        self._bookings = bookings
        self._next = next(bookings, None)
        self._tallies = tallies
        self.today = today
        self.newest: int | None = None
        self.has_newcomers = False
        self.has_fallen = False

    @abstractmethod
    def go_to(self, step: int, today: int) -> None:
        """Take in what is first seen at a step of a day."""

    def tell_all(self) -> None:
        """Tell everything at this step, not only what has changed."""
        for tally in self._tallies:
            tally.table.tell_all()

    def relabel(self) -> None:
        """Forget what hangs on labels."""
        for tally in self._tallies:
            tally.table.forget_derived()

    def _begin(self, today: int) -> bool:
        """Begin a step; tell whether it is the first of its day."""
        self.has_newcomers = self.has_fallen = False
        if today == self.today:
            for tally in self._tallies:
                tally.table.settle()
            return False
        self.today = today
        for tally in self._tallies:
            tally.roll(today)
        return True

    def _reached(self, step: int) -> Iterator[B]:
        """Yield what is first seen at a step."""
        while self._next is not None and self._next.step <= step:
            yield self._next
            self._next = next(self._bookings, None)

    def _seen(self, instant: int) -> None:
        self.newest = instant if self.newest is None else max(self.newest, instant)


class CostPast(LedgerPast[Charged]):
    """The cost ledger. `growth` are the step's non-negative charges by raw key."""

    def __init__(self, bookings: Iterator[Charged], today: int, ledger: CostLedger) -> None:
        self._spend = RunningTally(("provider", "model", "quest"), Spend(), today)
        super().__init__(bookings, today, self._spend)
        self._ledger = ledger
        self._first_seen: dict[Key, int] = {}
        self._tells_first_seen = False
        self._tasks = RunningTasks(today, TaskNumbers())
        self.growth: dict[Key, Spend] = {}

    def go_to(self, step: int, today: int) -> None:
        """Take in what is first seen at a step of a day."""
        if self._begin(today):
            self._tasks.roll(today)
        self.growth, self._tells_first_seen = {}, False
        for charged in self._reached(step):
            self.has_newcomers |= self._spend.add(charged.key, charged.day, charged.spend)
            if not charged.refund:
                add_sums(self.growth, charged.key, charged.spend)
            if charged.tasks:
                self._tasks.add(str(charged.key[0]), charged.day, charged.tasks)
            model = charged.key[:2]
            if charged.oldest < self._first_seen.get(model, charged.oldest + 1):
                self._first_seen[model] = charged.oldest
                self._tells_first_seen = True
            self._seen(charged.newest)

    def tell_all(self) -> None:
        """Tell everything at this step, not only what has changed."""
        super().tell_all()
        self._tells_first_seen = True

    def part(self, instant: float, *, everything: bool = False) -> CostPart:
        """Return the ledger as a refresh would know it; first charges only where they have changed, or with `everything`."""
        return CostPart(
            instant,
            self.today,
            WINDOWS,
            {},
            self.newest,
            spend=self._spend.table,
            refunds=_NO_REFUNDS,
            first_seen=self._first_seen if everything or self._tells_first_seen else {},
            tasks=self._tasks if self._ledger.has("task_id") else None,
            task_spend=None,
            newest_task_spend=(),
            has_tokens_out=self._ledger.has("tokens_out"),
        )


_NO_REFUNDS = Table.of(("provider", "model", "quest"), 0, Spend(), ())


class ImpactPast(LedgerPast[Ended]):
    """The impact ledger, with the scores that are known now."""

    def __init__(self, bookings: Iterator[Ended], today: int) -> None:
        self._outcomes = RunningTally(("quest", "layer"), Outcomes(), today)
        self._waste = RunningTally(("quest", "layer", "reason"), Waste(), today)
        super().__init__(bookings, today, self._outcomes, self._waste)
        self._pending: list[tuple[int, int, Ended]] = []
        self._count = 0

    def go_to(self, step: int, today: int) -> None:
        """Take in what is first seen at a step of a day, and what is settled at it."""
        self._begin(today)
        for ended in self._reached(step):
            self.has_fallen |= ended.outcomes.usd < 0
            self._seen(ended.newest)
            if ended.settled is None or ended.settled <= step:
                self._add(ended, ended.outcomes, ended.reason)
            else:
                outcomes = Outcomes(ZERO, ZERO, 0, ended.outcomes.usd, ended.outcomes.settled)
                self._add(ended, outcomes, ended.reason and "pending")
                self._count += 1
                heappush(self._pending, (ended.settled, self._count, ended))
        while self._pending and self._pending[0][0] <= step:
            self._settle(heappop(self._pending)[2])

    def _add(self, ended: Ended, outcomes: Outcomes, reason: str | None) -> None:
        self.has_newcomers |= self._outcomes.add(ended.key, ended.day, outcomes)
        if reason:
            self._waste.add((*ended.key, reason), ended.day, ended.waste)

    def _settle(self, ended: Ended) -> None:
        """Make pending outcomes settled ones."""
        self.has_fallen = True
        usd, number = ended.outcomes.usd, ended.outcomes.settled
        self._outcomes.add(ended.key, ended.day, Outcomes(ZERO, usd, number, usd.copy_negate(), -number))
        if ended.reason:
            self._waste.add((*ended.key, "pending"), ended.day, -ended.waste)
            self._waste.add((*ended.key, ended.reason), ended.day, ended.waste)

    def part(self, instant: float) -> ImpactPart:
        """Return the ledger as a refresh would know it."""
        return ImpactPart(
            instant, self.today, WINDOWS, {}, self.newest, self._outcomes.table, self._waste.table, best=(), wasted=()
        )


class BudgetPast(LedgerPast[Allocated]):
    """The budget ledger. It changes with the day only."""

    def __init__(self, bookings: Iterator[Allocated], today: int) -> None:
        self._allocations = RunningTally(("quest",), Allocation(), today)
        super().__init__(bookings, today, self._allocations)
        self._newest_day: int | None = None
        self._current: dict[str | None, Decimal] = {}
        self._names: Names = {}

    def go_to(self, step: int, today: int) -> None:
        """Take in what is first seen at a step of a day."""
        self._begin(today)
        for allocated in self._reached(step):
            self.has_newcomers |= self._allocations.add((allocated.quest,), allocated.day, allocated.allocation)
            self._seen(allocated.day * MICROSECONDS_A_DAY)
            if allocated.quest is not None:
                self._names = newest_names(self._names, {allocated.quest: (allocated.day, allocated.names)})
            if self._newest_day is None or allocated.day > self._newest_day:
                self._newest_day, self._current = allocated.day, {}
            if allocated.day == self._newest_day:
                so_far = self._current.get(allocated.quest, ZERO)
                self._current[allocated.quest] = EXACT.add(so_far, allocated.allocation.usd)

    def part(self, instant: float) -> BudgetPart:
        """Return the ledger as a refresh would know it."""
        return BudgetPart(
            instant,
            self.today,
            WINDOWS,
            {},
            self.newest,
            allocations=self._allocations.table,
            newest_day=self._newest_day,
            current=self._current,
            names=self._names,
        )
