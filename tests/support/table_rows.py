"""Hypothesis strategies for the rows of tables, and for the sums of ranges."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from typing import Any, Literal

from hypothesis import strategies as st

from exporter.sums import Allocation, Key, Outcomes, S, Spend, TaskNumbers, TaskOutcome, Waste, ranked
from exporter.sums.range_sums import BudgetSums, CostSums, ImpactSums, RangeSums
from tests.support.snapshots import TODAY

Rows = list[tuple[Key, int, Spend]]

LABELS = ("provider", "model", "quest")
keys = st.tuples(st.sampled_from("AB"), st.sampled_from(["m", "n", None]), st.sampled_from(["x", "y", None]))
money = st.decimals(-(10**15), 10**15, places=9) | st.sampled_from(
    [Decimal("1e-300"), Decimal("1e100"), Decimal("-1e100")]
)
integers = st.integers(-(10**30), 10**30)
charges = st.builds(Spend, money, st.integers(0, 10**12), st.integers(0, 10**12), st.integers(1, 9))
days = st.integers(TODAY - 40, TODAY + 2)
rows: st.SearchStrategy[Rows] = st.lists(st.tuples(keys, days, charges), max_size=20)

NUMBERS = TaskNumbers()
LENGTHS = 2, 3
"""Lengths of the rankings by efficiency and by waste."""
REASONS = {
    "cost": ("instant", "cost"),
    "impact": ("instant", "cost", "impact"),
    "budget": ("instant", "allocation"),
}
"""Why rows of each ledger are rejected."""
Kind = Literal["cost", "impact", "budget"]

labels = st.sampled_from(["x", "y", None])
reasons = st.sampled_from(["low_impact", "unscored", "pending"])
instants = days.map(lambda day: day * 86_400_000_000)
few_tasks = st.sets(st.sampled_from("tuvw"), min_size=1)


def task_outcomes(*, wasted: bool) -> st.SearchStrategy[TaskOutcome]:
    """An outcome that may be ranked by efficiency, or by waste."""
    return st.builds(
        TaskOutcome,
        task=st.sampled_from("tuvw"),
        label=st.sampled_from("tuvw"),
        title=st.none(),
        quest=st.none(),
        layer=st.none(),
        impact=st.sampled_from([Decimal(1), Decimal(2)]),
        usd=st.sampled_from([Decimal(1), Decimal(3)]),
        tokens=st.integers(0, 3),
        instant=instants,
        reason=st.just("low_impact" if wasted else ""),
    )


def table(keys: st.SearchStrategy[Key], sums: st.SearchStrategy[S]) -> st.SearchStrategy[list[tuple[Key, int, S]]]:
    """Rows of a table, one for each key and day."""
    of_rows = sums.filter(lambda each: each.rows > 0)
    return st.lists(st.tuples(keys, days, of_rows), max_size=4, unique_by=lambda row: row[:2])


@st.composite
def range_sums(draw: st.DrawFn, kind: Kind, amounts: st.SearchStrategy[Decimal] = money) -> Any:
    """What the rows of a range of a ledger may add up to, with something of everything there is."""
    known = st.none() | instants
    usual: dict[str, Any] = {
        "rows": draw(st.integers(0, 9)),
        "fingerprint": draw(integers),
        "rejected": {reason: draw(st.integers(0, 3)) for reason in REASONS[kind]},
        "oldest": draw(known),
        "newest": draw(known),
    }
    if kind == "cost":
        spend = st.builds(Spend, amounts, integers, integers, st.integers(1, 9))
        providers = st.sampled_from("AB")
        return CostSums(
            **usual,
            spend=draw(table(keys, spend)),
            refunds=draw(table(keys, spend)),
            first_seen=draw(st.dictionaries(st.tuples(providers, labels), st.integers(0, 5), max_size=2)),
            tasks={
                key: NUMBERS.of(tasks)
                for key, tasks in draw(st.dictionaries(st.tuples(providers, days), few_tasks, max_size=3)).items()
            },
            task_spend=draw(st.dictionaries(st.tuples(st.sampled_from("tu"), labels), spend, max_size=2)),
        )
    if kind == "impact":
        outcomes = st.builds(Outcomes, amounts, amounts, st.integers(0, 9), amounts, st.integers(0, 9))
        waste = st.builds(Waste, amounts, integers, st.integers(1, 9))
        best, wasted = LENGTHS
        return ImpactSums(
            **usual,
            outcomes=draw(table(st.tuples(labels, labels), outcomes)),
            waste=draw(table(st.tuples(labels, labels, reasons), waste)),
            best=ranked(draw(st.lists(task_outcomes(wasted=False), max_size=3)), best),
            wasted=ranked(draw(st.lists(task_outcomes(wasted=True), max_size=3)), wasted),
            lengths=LENGTHS,
            oldest_pending=draw(known),
        )
    allocations = st.builds(Allocation, amounts, amounts, st.integers(1, 9), st.integers(0, 9))
    names = st.frozensets(st.sampled_from(["X", "Y"]), min_size=1)
    return BudgetSums(
        **usual,
        allocations=draw(table(st.tuples(labels), allocations)),
        names=draw(st.dictionaries(st.sampled_from("xy"), st.tuples(days, names), max_size=2)),
        current=draw(st.dictionaries(labels, amounts, max_size=2)),
    )


def exactly(sums: Iterable[RangeSums] | RangeSums) -> object:
    """Sums to the last digit, exponents and types included; the order of the rows of a table is no promise."""
    if not isinstance(sums, RangeSums):
        return [exactly(each) for each in sums]
    return {
        name: sorted(map(repr, value)) if isinstance(value, list) else repr(value) for name, value in vars(sums).items()
    }
