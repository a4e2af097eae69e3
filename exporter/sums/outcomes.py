"""The outcomes of a range added up, from the rows of the impact ledger: impact, cost, waste, and what may be ranked."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from decimal import MAX_EMAX, MIN_EMIN, Context, Decimal

from exporter.sums.days import MICROSECONDS_A_DAY
from exporter.sums.exact import ZERO, Outcomes, Waste
from exporter.sums.numbers import decimal, score, tokens
from exporter.sums.range_sums import ImpactSums, add_sums
from exporter.sums.ranking import TaskOutcome, ranked
from exporter.sums.table import Key

Outcome = tuple[int | None, int, int, str | None, str | None, str | None, str | None, str | None, str | None, object]
"""Id, instant (microseconds since 1970), fingerprint, quest id, layer, task, title, US dollars and impact as text, tokens."""

_A_HAIR = 1 + 1e-9
"""A ratio as a float is wrong by far less than this factor."""
_SMALLEST = 1e-300
"""Smaller floats have fewer digits."""
_ROUGH = Context(prec=20, Emin=MIN_EMIN, Emax=MAX_EMAX, traps=[])


@dataclass(frozen=True)
class Judgement:
    """By what outcomes are judged.

    Outcomes of more than `min_tokens` tokens and an impact of at most `max_impact`, or none, are waste. `best` and `wasted` are
    the lengths of the rankings; `clean` makes a label of a task.
    """

    min_tokens: int
    max_impact: Decimal
    best: int
    wasted: int
    clean: Callable[[str], str]

    def reason(self, burnt: int, impact: Decimal | None, *, pending: bool) -> str:
        """Return why an outcome is waste, empty where it is not."""
        if burnt <= self.min_tokens or (impact is not None and impact > self.max_impact):
            return ""
        if impact is not None:
            return "low_impact"
        return "pending" if pending else "unscored"


def add_up_outcomes(
    rows: Sequence[Outcome], *, now: int, settled_before: int, ranked_from: int, judgement: Judgement
) -> ImpactSums:
    """Return what outcomes add up to.

    Args:
        rows: the outcomes, in any order.
        now: the instant of the refresh, in microseconds since 1970.
        settled_before: up to which instant outcomes without a score are not pending any more, in microseconds since 1970.
        ranked_from: the instant from which on outcomes may be ranked, up to the day of `now`.
        judgement: by what they are judged.

    Raises:
        NotANumberError: an amount is no number.
    """
    tomorrow = (now // MICROSECONDS_A_DAY + 1) * MICROSECONDS_A_DAY
    outcomes: dict[tuple[Key, int], Outcomes] = {}
    waste: dict[tuple[Key, int], Waste] = {}
    best: list[tuple[float, _Judged]] = []
    wasted: list[tuple[float, _Judged]] = []
    rejected = {"instant": 0, "cost": 0, "impact": 0}
    oldest = newest = oldest_pending = None
    fingerprint = 0
    for row in rows:
        _, at, mark, quest, layer, task, _, money, scored, burned = row
        fingerprint += mark
        if oldest is None or at < oldest:
            oldest = at
        usd = decimal(money)
        impact = score(scored)
        if usd is None or (impact is None and scored is not None):
            rejected["cost" if usd is None else "impact"] += 1
            continue
        if at <= now and (newest is None or at > newest):
            newest = at
        pending = scored is None and at > settled_before
        if pending and (oldest_pending is None or at < oldest_pending):
            oldest_pending = at
        burnt = tokens(burned)
        reason = judgement.reason(burnt, impact, pending=pending)
        day, key = at // MICROSECONDS_A_DAY, (quest or None, layer or None)
        sums = Outcomes(ZERO, ZERO, 0, usd, 1) if pending else Outcomes(impact or ZERO, usd, 1)
        add_sums(outcomes, (key, day), sums)
        if reason:
            add_sums(waste, ((*key, reason), day), Waste(usd, burnt, 1))
        if task and ranked_from <= at < tomorrow:
            if reason:
                wasted.append((float(burnt), (row, usd, impact, burnt, reason)))
            if usd > 0 and impact is not None and impact > 0:
                best.append((_ratio(impact, usd), (row, usd, impact, burnt, "")))
    return ImpactSums(
        rows=len(rows),
        fingerprint=fingerprint,
        rejected=rejected,
        oldest=oldest,
        newest=newest,
        outcomes=[(key, day, sums) for (key, day), sums in outcomes.items()],
        waste=[(key, day, sums) for (key, day), sums in waste.items()],
        best=_first(best, judgement.best, judgement.clean),
        wasted=_first(wasted, judgement.wasted, judgement.clean),
        lengths=(judgement.best, judgement.wasted),
        oldest_pending=oldest_pending,
    )


_Judged = tuple[Outcome, Decimal, Decimal | None, int, str]
"""An outcome, its cost, its impact, its tokens, and why it is waste."""


def _ratio(impact: Decimal, usd: Decimal) -> float:
    """Return impact per dollar, roughly; 0 where it is too small to be told as a float."""
    gain, cost = float(impact), float(usd)
    exact = gain > _SMALLEST and cost > _SMALLEST
    ratio = gain / cost if exact else float(_ROUGH.divide(impact, usd))
    return ratio if ratio > _SMALLEST else 0.0


def _first(weighed: list[tuple[float, _Judged]], top: int, clean: Callable[[str], str]) -> tuple[TaskOutcome, ...]:
    """Return the first outcomes of a ranking. Weights are rough: what is a hair below the last place is compared exactly."""
    if not top:
        return ()
    weighed.sort(key=lambda each: each[0], reverse=True)
    return ranked(_candidates(weighed, top, clean), top)


def _candidates(
    weighed: Iterable[tuple[float, _Judged]], top: int, clean: Callable[[str], str]
) -> Iterable[TaskOutcome]:
    labels: set[str] = set()
    last = 0.0
    for weight, (row, usd, impact, burnt, reason) in weighed:
        if len(labels) >= top and weight * _A_HAIR < last:
            return
        task = row[5] or ""
        label = clean(task)
        if len(labels) < top:
            labels.add(label)
            last = weight
        yield TaskOutcome(
            task, label, row[6] or None, row[3] or None, row[4] or None, impact, usd, burnt, row[1], reason
        )
