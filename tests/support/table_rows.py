"""Hypothesis strategies for the rows of tables, and for the sums in them."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from hypothesis import strategies as st

from exporter.parts import Allocation, Key, Outcomes, Spend, Waste
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


def kinds(amounts: st.SearchStrategy[Decimal]) -> dict[str, st.SearchStrategy[Any]]:
    """The sums of each table, of such amounts of money."""
    return {
        "spend": st.builds(Spend, amounts, integers, integers, integers),
        "refunds": st.builds(Spend, amounts, integers, integers, integers),
        "outcomes": st.builds(Outcomes, amounts, amounts, integers, amounts, integers),
        "waste": st.builds(Waste, amounts, integers, integers),
        "allocations": st.builds(Allocation, amounts, amounts, integers, integers),
    }
