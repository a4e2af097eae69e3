"""A report as text for people, coloured where they look at it, or as JSON for programs."""

from __future__ import annotations

import json
import shutil
import textwrap
from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

import click

from exporter.check.findings import Finding, Report, Section, Severity

_COLOURS = {Severity.OK: "green", Severity.NOTE: "cyan", Severity.WARNING: "yellow", Severity.ERROR: "red"}
_MARGIN = " " * 11
_MOST_COLUMNS = 120


def as_json(report: Report, code: int) -> str:
    """Return the report as one JSON object."""
    found: dict[str, Any] = {
        "config": report.file,
        "deep": report.deep,
        "exit_code": code,
        "errors": report.count(Severity.ERROR),
        "warnings": report.count(Severity.WARNING),
        "sections": [asdict(section) for section in report.sections],
    }
    return json.dumps(found | ({"estimate": report.estimate} if report.estimate else {}), indent=2, ensure_ascii=False)


def as_text(report: Report, *, wrap: bool) -> str:
    """Return the report with terminal colours; each finding wrapped to the terminal's width, or on a line of its own."""
    width = min(shutil.get_terminal_size().columns, _MOST_COLUMNS) if wrap else 0
    blocks = ["\n".join(_section(section, width)) for section in report.sections]
    return "\n\n".join([*blocks, _summary(report)])


def _section(section: Section, width: int) -> Iterator[str]:
    yield click.style(section.title, bold=True)
    for finding in section.findings:
        yield from _finding(finding, width)


def _finding(finding: Finding, width: int) -> Iterator[str]:
    mark = click.style(f"{finding.severity:<7}", fg=_COLOURS[finding.severity])
    key = f"{finding.key}: " if finding.key else ""
    first, *others = _lines(key + finding.message, width)
    yield f"  {mark}  {first}"
    yield from (_MARGIN + line for line in others)
    if finding.remedy:
        yield from (_MARGIN + line for line in _lines(f"-> {finding.remedy}", width))
    yield from (f"{_MARGIN}   {click.style(statement, bold=True)}" for statement in finding.statements)


def _lines(text: str, width: int) -> list[str]:
    """Return a text in lines; statements and long words stay in one piece, for they are to be copied."""
    if not width:
        return text.splitlines()
    room = max(20, width - len(_MARGIN))
    return [
        part
        for line in text.splitlines()
        for part in textwrap.wrap(line, room, break_long_words=False, break_on_hyphens=False)
    ]


def _summary(report: Report) -> str:
    errors, warnings = report.count(Severity.ERROR), report.count(Severity.WARNING)
    colour = "red" if errors else "yellow" if warnings else "green"
    return click.style(f"{_plural(errors, 'error')}, {_plural(warnings, 'warning')}.", fg=colour, bold=True)


def _plural(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
