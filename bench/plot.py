"""The plot: what a refresh costs the database against how many rows the ledger has, both logarithmic, as SVG.

Written by hand: two axes and four lines need no library.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from html import escape

Points = Sequence[tuple[float, float]]

WIDTH, HEIGHT = 760, 440
LEFT, RIGHT, TOP, BOTTOM = 84, 170, 56, 60
COLOURS = ("#1a7f37", "#cf222e", "#8250df", "#bc4c00", "#57606a")
_LABEL_DISTANCE = 16.0


def _decades(values: Sequence[float]) -> tuple[int, int]:
    """The powers of ten around all values, at least one apart."""
    low, high = math.floor(math.log10(min(values))), math.ceil(math.log10(max(values)))
    return low, max(high, low + 1)


def _rows_label(power: int) -> str:
    return {3: "1k", 4: "10k", 5: "100k", 6: "1M", 7: "10M", 8: "100M"}.get(power, f"1e{power}")


def _time_label(power: int) -> str:
    """Name 10^power milliseconds."""
    return f"{10**power} ms" if 0 <= power < 3 else f"{10 ** (power - 3)} s" if power >= 3 else f"{10.0**power:g} ms"


def refresh_cost(lines: Mapping[str, Points]) -> str:
    """Draw lines by name: points of rows and milliseconds, all above 0."""
    lines = {name: sorted(points) for name, points in lines.items() if points}
    everything = [point for points in lines.values() for point in points]
    left, right = _decades([rows for rows, _ in everything])
    bottom, top = _decades([ms for _, ms in everything])

    def x(rows: float) -> float:
        return LEFT + (math.log10(rows) - left) / (right - left) * (WIDTH - LEFT - RIGHT)

    def y(ms: float) -> float:
        return HEIGHT - BOTTOM - (math.log10(ms) - bottom) / (top - bottom) * (HEIGHT - TOP - BOTTOM)

    drawing = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif" font-size="13">',
        "<title>Database time of one refresh against the rows of the ledger</title>",
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#ffffff"/>',
        f'<text x="{LEFT}" y="28" font-size="16" font-weight="bold" fill="#1f2328">Database time of one refresh</text>',
        f'<text x="{LEFT}" y="{HEIGHT - 16}" fill="#57606a">rows in the cost ledger</text>',
    ]
    drawing += [_vertical(x(10.0**power), _rows_label(power)) for power in range(left, right + 1)]
    drawing += [_horizontal(y(10.0**power), _time_label(power)) for power in range(bottom, top + 1)]
    heights = _apart({name: y(points[-1][1]) for name, points in lines.items()})
    for colour, (name, points) in zip(COLOURS, lines.items(), strict=False):
        path = " ".join(f"{x(rows):.1f},{y(ms):.1f}" for rows, ms in points)
        drawing.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2.5"/>')
        drawing += [f'<circle cx="{x(rows):.1f}" cy="{y(ms):.1f}" r="4" fill="{colour}"/>' for rows, ms in points]
        at = x(points[-1][0]) + 10
        drawing.append(f'<text x="{at:.1f}" y="{heights[name] + 4:.1f}" fill="{colour}">{escape(name)}</text>')
    return "\n".join([*drawing, "</svg>", ""])


def _vertical(x: float, label: str) -> str:
    line = f'<line x1="{x:.1f}" y1="{TOP}" x2="{x:.1f}" y2="{HEIGHT - BOTTOM}" stroke="#d1d9e0"/>'
    return f'{line}<text x="{x:.1f}" y="{HEIGHT - BOTTOM + 20}" text-anchor="middle" fill="#57606a">{label}</text>'


def _horizontal(y: float, label: str) -> str:
    line = f'<line x1="{LEFT}" y1="{y:.1f}" x2="{WIDTH - RIGHT}" y2="{y:.1f}" stroke="#d1d9e0"/>'
    return f'{line}<text x="{LEFT - 8}" y="{y + 4:.1f}" text-anchor="end" fill="#57606a">{label}</text>'


def _apart(heights: Mapping[str, float]) -> dict[str, float]:
    """Move labels down where they would lie on each other."""
    placed: dict[str, float] = {}
    lowest = -math.inf
    for name, height in sorted(heights.items(), key=lambda item: item[1]):
        lowest = max(height, lowest + _LABEL_DISTANCE)
        placed[name] = lowest
    return placed
