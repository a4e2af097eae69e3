"""What was found: a table of differences and how many figures were compared, as text or JSON."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any

import click

from exporter.reconcile.comparison import Compared, Comparison, Verdict, lost, total

MOST_SHOWN = 50
"""So many differences are shown; as JSON, all of them."""
_COLOURS = {Verdict.EQUAL: "green", Verdict.MOVING: "yellow", Verdict.DIFFERENT: "red"}
_ABSENT = "(absent)"


def as_json(comparisons: Sequence[Comparison], code: int) -> str:
    """Return everything as one JSON object."""
    counts = total(comparisons)
    found = {
        "exit_code": code,
        **{verdict.value: counts[verdict] for verdict in Verdict},
        "incomplete": lost(comparisons),
        "comparisons": [_as_object(comparison) for comparison in comparisons],
    }
    return json.dumps(found, indent=2, ensure_ascii=False)


def _as_object(comparison: Comparison) -> dict[str, Any]:
    return {
        "of": comparison.of,
        "incomplete": comparison.incomplete,
        "notes": comparison.notes,
        "views": {
            view: {verdict.value: counts[verdict] for verdict in Verdict}
            for view, counts in comparison.by_view().items()
        },
        "differences": [_figure(compared) for compared in comparison.of_verdict(Verdict.DIFFERENT)],
        "moving": [_figure(compared) for compared in comparison.of_verdict(Verdict.MOVING)],
    }


def _figure(compared: Compared) -> dict[str, Any]:
    metric, labels = compared.key
    return {
        "view": compared.view,
        "metric": metric,
        "labels": dict(sorted(labels)),
        "published": _number(compared.published),
        "oracle": _number(compared.oracle),
    }


def _number(value: object) -> object:
    """Return a value as JSON has it: floats as numbers, exact ones as text, which no reader rounds."""
    return value if value is None or isinstance(value, float | int) else str(value)


def as_text(comparisons: Sequence[Comparison]) -> str:
    """Return everything as text with terminal colours."""
    return "\n\n".join("\n".join(block) for block in (*map(_block, comparisons), _summary(comparisons)))


def _block(comparison: Comparison) -> Iterator[str]:
    yield click.style(f"{comparison.of} beside the oracle", bold=True)
    yield from (click.style(f"  {note}", fg="yellow") for note in comparison.notes)
    rows = [
        (view, *(_count(counts[verdict], verdict) for verdict in Verdict))
        for view, counts in comparison.by_view().items()
    ]
    if rows:
        yield from _table(("view", *(verdict.value for verdict in Verdict)), rows, "<>>>")
    different = comparison.of_verdict(Verdict.DIFFERENT)
    if different:
        yield ""
        shown = [
            (one.key[0], _labels(one), _shown(one.published), _shown(one.oracle)) for one in different[:MOST_SHOWN]
        ]
        yield from _table(("metric", "labels", "published", "oracle"), shown, "<<>>")
    if len(different) > MOST_SHOWN:
        yield f"  and {len(different) - MOST_SHOWN:,} more; --output=json has all"


def _summary(comparisons: Sequence[Comparison]) -> Iterator[str]:
    counts = total(comparisons)
    compared = counts[Verdict.EQUAL] + counts[Verdict.DIFFERENT]
    if counts[Verdict.DIFFERENT]:
        yield click.style(f"{counts[Verdict.DIFFERENT]:,} of {compared:,} figures differ.", fg="red", bold=True)
    else:
        colour = "yellow" if lost(comparisons) else "green"
        yield click.style(f"{compared:,} figures compared, no difference.", fg=colour, bold=True)
    if lost(comparisons):
        yield click.style(f"{lost(comparisons)} of {len(comparisons)} comparisons are incomplete.", fg="red", bold=True)
    if counts[Verdict.MOVING]:
        yield f"{counts[Verdict.MOVING]:,} moved meanwhile and could not be compared; a quieter hour will tell."


def _count(number: int, verdict: Verdict) -> str:
    text = f"{number:,}"
    return click.style(text, fg=_COLOURS[verdict]) if number and verdict is not Verdict.EQUAL else text


def _labels(compared: Compared) -> str:
    return ", ".join(f'{label}="{value}"' for label, value in sorted(compared.key[1]))


def _shown(value: object) -> str:
    return _ABSENT if value is None else repr(value) if isinstance(value, float) else str(value)


def _table(head: Sequence[str], rows: Sequence[Sequence[str]], sides: str) -> Iterator[str]:
    """Yield a table's lines; a `>` in `sides` puts a column to the right."""
    columns = list(zip(head, *rows, strict=True))
    widths = [max(len(click.unstyle(cell)) for cell in column) for column in columns]
    for number, row in enumerate([head, *rows]):
        cells = [_padded(cell, width, side) for cell, width, side in zip(row, widths, sides, strict=True)]
        line = "  " + "  ".join(cells).rstrip()
        yield click.style(line, dim=True) if number == 0 else line


def _padded(cell: str, width: int, side: str) -> str:
    gap = " " * (width - len(click.unstyle(cell)))
    return gap + cell if side == ">" else cell + gap
