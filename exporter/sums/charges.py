"""The charges of a range added up, from the rows of the cost ledger."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from decimal import Decimal

from exporter.sums.days import MICROSECONDS_A_DAY
from exporter.sums.exact import EXACT, Spend
from exporter.sums.numbers import decimal, tokens
from exporter.sums.range_sums import CostSums, Rows, add_sums
from exporter.sums.table import Key
from exporter.sums.tasks import TaskNumbers, TaskSet

Charge = tuple[int | None, int, int, str | None, str | None, str | None, str | None, str | None, object, object]
"""Id, instant (microseconds since 1970), fingerprint, quest id, provider, model, task, US dollars as text, tokens in, out."""

_Key = tuple[int, str | None, str | None, str | None]
"""Day, provider as booked, model, quest id."""


def add_up_charges(
    rows: Sequence[Charge],
    *,
    now: int,
    single_tasks_from: int | None,
    family: Callable[[str | None], str],
    numbers: TaskNumbers,
) -> CostSums:
    """Return what charges add up to.

    Args:
        rows: the charges, in any order.
        now: the instant of the refresh, in microseconds since 1970.
        single_tasks_from: the first of the days whose tasks are added up one by one, up to the day of `now`; None for none.
        family: returns the provider family of a provider as booked.
        numbers: what numbers tasks.

    Raises:
        NotANumberError: an amount is no number.
    """
    today = now // MICROSECONDS_A_DAY
    spend: dict[_Key, list[int]] = {}
    money: dict[_Key, Decimal] = {}
    refunds: dict[tuple[Key, int], Spend] = {}
    tasks: dict[tuple[str | None, int], set[str]] = {}
    task_spend: dict[tuple[str, str | None], Spend] = {}
    accepted = [charge for charge in map(_accepted, rows) if charge is not None]
    add = EXACT.add
    for at, quest, provider, model, task, usd, came, went in accepted:
        day = at // MICROSECONDS_A_DAY
        key = (day, provider, model, quest)
        sums = spend.get(key)
        if sums is None:
            spend[key] = [came, went, 1, at]
            money[key] = usd
        else:
            sums[0] += came
            sums[1] += went
            sums[2] += 1
            sums[3] = min(sums[3], at)
            money[key] = add(money[key], usd)
        if usd < 0:
            add_sums(refunds, ((family(provider), model, quest), day), Spend(usd, came, went, 1))
        if task is not None:
            charged = tasks.get((provider, day))
            if charged is None:
                charged = tasks[provider, day] = set()
            charged.add(task)
            if single_tasks_from is not None and single_tasks_from <= day <= today:
                add_sums(task_spend, (task, quest), Spend(usd, came, went, 1))
    return CostSums(
        rows=len(rows),
        fingerprint=sum(row[2] for row in rows),
        rejected={"instant": 0, "cost": len(rows) - len(accepted)},
        oldest=min((row[1] for row in rows), default=None),
        newest=max((charge[0] for charge in accepted if charge[0] <= now), default=None),
        spend=_by_family(spend, money, family),
        refunds=[(key, day, sums) for (key, day), sums in refunds.items()],
        first_seen=_first_seen(spend, today, family),
        tasks=_numbered(tasks, family, numbers),
        task_spend=task_spend,
    )


def _accepted(
    row: Charge,
) -> tuple[int, str | None, str | None, str | None, str | None, Decimal, int, int] | None:
    """Return instant, quest id, provider, model, task, US dollars, tokens in and out; None where the cost is unusable."""
    _, at, _, quest, provider, model, task, text, tokens_in, tokens_out = row
    usd = decimal(text)
    if usd is None:
        return None
    came = tokens_in if type(tokens_in) is int else tokens(tokens_in)
    went = tokens_out if type(tokens_out) is int else tokens(tokens_out)
    return at, quest or None, provider or None, model or None, task or None, usd, came, went


def _by_family(
    spend: dict[_Key, list[int]], money: dict[_Key, Decimal], family: Callable[[str | None], str]
) -> Rows[Spend]:
    found: dict[tuple[Key, int], Spend] = {}
    for (day, provider, model, quest), (came, went, charges, _) in spend.items():
        usd = money[day, provider, model, quest]
        add_sums(found, ((family(provider), model, quest), day), Spend(usd, came, went, charges))
    return [(key, day, sums) for (key, day), sums in found.items()]


def _first_seen(spend: dict[_Key, list[int]], today: int, family: Callable[[str | None], str]) -> dict[Key, int]:
    found: dict[Key, int] = {}
    for (day, provider, model, _), (*_, at) in spend.items():
        if day <= today:
            key = family(provider), model
            found[key] = min(at, found.get(key, at))
    return found


def _numbered(
    tasks: dict[tuple[str | None, int], set[str]], family: Callable[[str | None], str], numbers: TaskNumbers
) -> dict[tuple[str, int], TaskSet]:
    found: dict[tuple[str, int], TaskSet] = {}
    for (provider, day), names in tasks.items():
        key, numbered = (family(provider), day), numbers.of(names)
        found[key] = found[key] | numbered if key in found else numbered
    return found
