"""Parts of all three ledgers, made by hypothesis: what labels are decided for, and what is published of them."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from hypothesis import strategies as st

from exporter.holding import Parts
from exporter.names.text import clean
from exporter.sums import (
    WINDOWS,
    Allocation,
    BudgetPart,
    CostPart,
    ImpactPart,
    Outcomes,
    Spend,
    Table,
    TaskNumbers,
    TaskOutcome,
    Tasks,
    Waste,
)
from tests.support.snapshots import TODAY

QUESTS = st.sampled_from(["q1", "q2", "q3", "other", "unknown", None])
LAYERS = st.sampled_from(["Agora", "Forge", "", None])
PROVIDERS = st.sampled_from(["A", "B", "C", "other"])
MODELS = st.sampled_from(["m", 'n"', "n'", "", None])
DAYS = st.integers(TODAY - 40, TODAY + 1)
CENTS = st.decimals(-3, 9, places=2)
WINDOWS_LOADED = st.sampled_from([WINDOWS, WINDOWS[:2], WINDOWS[:4], ()])
READ = st.sampled_from([TODAY, TODAY - 1])

charges = st.lists(
    st.tuples(st.tuples(PROVIDERS, MODELS, QUESTS), DAYS, CENTS, st.sampled_from(["t1", "t2", "t3", None])), max_size=12
)
ended = st.lists(
    st.tuples(st.tuples(QUESTS, LAYERS), DAYS, CENTS, st.sampled_from([None, Decimal(0), Decimal(2)]), st.booleans()),
    max_size=12,
)
allocated = st.lists(st.tuples(QUESTS, DAYS, CENTS, st.booleans()), max_size=8)


@st.composite
def cost_parts(draw: st.DrawFn) -> CostPart:
    rows, today, windows = draw(charges), draw(READ), draw(WINDOWS_LOADED)
    labels, numbers = ("provider", "model", "quest"), TaskNumbers()
    task_spend: dict[tuple[str, str | None], Spend] = {}
    sets: dict[tuple[str, int], list[str]] = {}
    for (provider, _, quest), day, _, task in rows:
        if task is not None:
            sets.setdefault((provider, day), []).append(task)
            if today - 1 <= day <= today:
                task_spend[task, quest] = Spend(Decimal(1), 1, 1, 1)
    has_tasks = draw(st.booleans())
    return CostPart(
        **_base(today, windows, ("instant", "cost")),
        spend=Table.of(labels, today, Spend(), [(key, day, Spend(usd, 1, 1, 1)) for key, day, usd, _ in rows]),
        refunds=Table.of(labels, today, Spend(), [(k, d, Spend(usd, 1, 1, 1)) for k, d, usd, _ in rows if usd < 0]),
        first_seen={key[:2]: day for key, day, *_ in rows if day <= today},
        tasks=Tasks(today, {key: numbers.of(tasks) for key, tasks in sets.items()}) if has_tasks else None,
        task_spend=(task_spend,) if has_tasks else None,
        newest_task_spend=({},) if has_tasks else (),
        has_tokens_out=draw(st.booleans()),
    )


@st.composite
def impact_parts(draw: st.DrawFn) -> ImpactPart:
    rows, today, windows = draw(ended), draw(READ), draw(WINDOWS_LOADED)
    outcomes, waste, ranked = [], [], []
    for place, (key, day, usd, impact, wasted) in enumerate(rows):
        pending = impact is None and not wasted
        sums = Outcomes(pending_usd=usd, pending=1) if pending else Outcomes(impact or Decimal(0), usd, 1)
        outcomes.append((key, day, sums))
        reason = ("pending" if pending else "failed") if wasted else ""
        if wasted:
            waste.append(((*key, reason), day, Waste(usd, 2000, 1)))
        if (wasted or (impact is not None and usd > 0)) and today - 30 < day <= today:
            task = f"task {place % 4}"
            ranked.append(TaskOutcome(task, clean(task), None, *key, impact, usd, 2000, day * 86_400_000_000, reason))
    return ImpactPart(
        **_base(today, windows, ("instant", "cost", "impact")),
        outcomes=Table.of(("quest", "layer"), today, Outcomes(), outcomes),
        waste=Table.of(("quest", "layer", "reason"), today, Waste(), waste),
        best=tuple(outcome for outcome in ranked if not outcome.reason),
        wasted=tuple(outcome for outcome in ranked if outcome.reason),
    )


@st.composite
def budget_parts(draw: st.DrawFn) -> BudgetPart:
    rows, today, windows = draw(allocated), draw(READ), draw(WINDOWS_LOADED)
    newest = max((day for _, day, *_ in rows if day <= today), default=None)
    names = {
        quest: (day, frozenset({draw(st.sampled_from(["Twin", "Q", "other"]))})) for quest, day, *_ in rows if quest
    }
    return BudgetPart(
        **_base(today, windows, ("instant", "allocation")),
        allocations=Table.of(
            ("quest",),
            today,
            Allocation(),
            [((quest,), day, Allocation(usd, usd, 1, int(recorded))) for quest, day, usd, recorded in rows],
        ),
        newest_day=newest,
        current={quest: usd for quest, day, usd, _ in rows if day == newest},
        names=names,
    )


def _base(today: int, windows: tuple[str, ...], reasons: tuple[str, ...]) -> dict[str, Any]:
    return {
        "instant": float(today * 86_400),
        "today": today,
        "windows": windows,
        "rejected": dict.fromkeys(reasons, 0),
        "newest": None,
    }


parts: st.SearchStrategy[Parts] = st.builds(
    Parts,
    st.just(TODAY),
    st.none() | cost_parts(),
    st.none() | impact_parts(),
    st.none() | budget_parts(),
)
