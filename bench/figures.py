"""Figures in a result: finding them, and printing them. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from bench.exporters import OURS

Result = Mapping[str, Any]
SMALL_TITLE = "about 300 series"
WIDE_TITLE = "about 10,000 series"
DEFAULT_NAME = f"{OURS}, default"
FEW_NAME = f"{OURS}, few series"
NOTHING = "-"


def ratio(above: float | None, below: float | None) -> float | None:
    """Divide; None where a figure is missing or the divisor is 0."""
    return above / below if above is not None and below else None


def number(value: float | None) -> str:
    """Print a figure with three digits that mean something."""
    if value is None:
        return NOTHING
    if value >= 100 or value == int(value):
        return f"{value:,.0f}"
    return f"{value:.3g}"


def size_of(result: Result, rows: int) -> Mapping[str, Any] | None:
    """Return what was measured at a size, by exporter."""
    return next((size["exporters"] for size in result["sizes"] if size["rows"] == rows), None)


def conditions_of(result: Result, rows: int) -> Mapping[str, Any] | None:
    """Return what was measured under other conditions at a size."""
    return next((each for each in result["conditions"] if each["rows"] == rows), None)


def of(size: Mapping[str, Any] | None, exporter: str, figure: str) -> Any:  # noqa: ANN401 - a number or None
    """Return a figure of an exporter, None where it was not measured."""
    return size[exporter].get(figure) if size and exporter in size else None


def scrapes_of(result: Result, title: str) -> Mapping[str, Any] | None:
    """Return what was measured of scrapes of a size, by exporter."""
    return next((each["exporters"] for each in result["scrapes"] if each["title"] == title), None)


def partial_scrapes(size: Mapping[str, Any]) -> int:
    """Count our scrapes that saw partial state at one size, those of the first loads included."""
    ours = [size["exporters"][name] for name in (OURS, DEFAULT_NAME)]
    return sum(each["partial_scrapes"] + each["first_load_partial_scrapes"] for each in ours)


def size_name(rows: int) -> str:
    """Name a number of rows: 100k, 2.5M."""
    return f"{rows / 1_000_000:g}M" if rows >= 1_000_000 else f"{rows / 1000:g}k"


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table in Markdown; the first column is text, the others are aligned right."""
    lines = [head, ["---", *["---:"] * (len(head) - 1)], *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
