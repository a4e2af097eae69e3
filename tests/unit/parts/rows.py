"""Rows made by hypothesis: what tables are filled with."""

from __future__ import annotations

from decimal import Decimal

from hypothesis import strategies as st

from exporter.parts import Key, Spend
from tests.unit.made import TODAY

Rows = list[tuple[Key, int, Spend]]

LABELS = ("provider", "model", "quest")
keys = st.tuples(st.sampled_from("AB"), st.sampled_from(["m", "n", None]), st.sampled_from(["x", "y", None]))
money = st.decimals(-(10**15), 10**15, places=9) | st.sampled_from(
    [Decimal("1e-300"), Decimal("1e100"), Decimal("-1e100")]
)
charges = st.builds(Spend, money, st.integers(0, 10**12), st.integers(0, 10**12), st.integers(1, 9))
days = st.integers(TODAY - 40, TODAY + 2)
rows: st.SearchStrategy[Rows] = st.lists(st.tuples(keys, days, charges), max_size=20)
