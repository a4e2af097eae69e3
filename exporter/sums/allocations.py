"""The allocations of a range added up, from the rows of the budget ledger."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

from exporter.sums.days import MICROSECONDS_A_DAY
from exporter.sums.exact import EXACT, ZERO, Allocation
from exporter.sums.numbers import decimal
from exporter.sums.range_sums import BudgetSums, add_sums
from exporter.sums.table import Key

AllocationRow = tuple[None, int, int, str | None, str | None, str | None, str | None]
"""None, the first instant of the day in microseconds since 1970, fingerprint, quest id, name, and as text US dollars allocated
and recorded as spent."""


def add_up_allocations(rows: Sequence[AllocationRow], *, today: int) -> BudgetSums:
    """Return what allocations add up to. `today` is the day of the refresh.

    Raises:
        NotANumberError: an amount is no number.
    """
    allocations: dict[tuple[Key, int], Allocation] = {}
    named: dict[str, tuple[int, set[str]]] = {}
    rejected = fingerprint = 0
    for _, at, mark, quest_id, name, text, recorded_text in rows:
        fingerprint += mark
        usd, recorded = decimal(text), decimal(recorded_text)
        if usd is None:
            rejected += 1
            continue
        day, quest = at // MICROSECONDS_A_DAY, quest_id or None
        add_sums(allocations, ((quest,), day), Allocation(usd, recorded or ZERO, 1, 0 if recorded is None else 1))
        if quest is not None and day <= today:
            known_day, names = named.get(quest, (day, set()))
            if day > known_day:
                known_day, names = day, set()
            if day == known_day and name:
                names.add(name)
            named[quest] = known_day, names
    days = [day for _, day in allocations if day <= today]
    newest_day = max(days, default=None)
    current: dict[str | None, Decimal] = {}
    for ((quest,), day), allocation in allocations.items():
        if day == newest_day:
            current[quest] = EXACT.add(current.get(quest, ZERO), allocation.usd)
    return BudgetSums(
        rows=len(rows),
        fingerprint=fingerprint,
        rejected={"instant": 0, "allocation": rejected},
        oldest=min((at for _, at, *_ in rows), default=None),
        newest=None if newest_day is None else newest_day * MICROSECONDS_A_DAY,
        allocations=[(key, day, sums) for (key, day), sums in allocations.items()],
        names={quest: (day, frozenset(names)) for quest, (day, names) in named.items()},
        current=current,
    )
