"""A report for people: tables, bars and a sparkline, as wide as there is room."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from rich.console import Console, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from exporter.report.drawing import badge, bar, dollars, percent, ratio, sparkline, whole
from exporter.report.figures import Allocation, Efficiency, Provider, Report, Waste

_LEFT_MARGIN = (0, 0, 0, 2)
_NARROWEST = 8


@dataclass(frozen=True)
class Column:
    """A column, and from which width of the terminal on there is room for it."""

    title: str
    justify: Literal["left", "right"] = "left"
    room: int = 0
    shrinks: bool = False


def draw(report: Report, console: Console, top: int) -> None:
    """Draw the views, of tasks and quests the first `top`."""
    title = Text("Resources", style="bold")
    title.append(f"  {report.window}, as of {report.snapshot or 'no refresh yet'}", style="not bold dim")
    console.print(title)
    for problem in report.problems:
        console.print(Text(f"! {problem}", style="bold yellow"))
    views = (
        ("Allocation", "which quests hold today's budget?", _allocation(report.allocation, console.width, top)),
        ("Efficiency", "what gives the most impact per dollar?", _efficiency(report.efficiency, console.width, top)),
        ("Utilization", "over or under budget?", _utilization(report, console.width, top)),
        ("Providers", "what does each cost?", _providers(report.providers, console.width)),
        ("Waste", "which tasks burnt tokens and produced nothing?", _waste(report.waste, console.width, top)),
    )
    for name, question, parts in views:
        console.print()
        console.print(Text(name, style="bold cyan").append(f"  {question}", style="not bold dim"))
        for part in parts:
            console.print(Padding(part, _LEFT_MARGIN, expand=False) if part else "")


def _table(columns: Sequence[Column], rows: Sequence[Sequence[Text | str]], width: int) -> Table:
    """Return a table of the columns there is room for; where it is still too wide, long names are cut."""
    shown = [index for index, column in enumerate(columns) if column.room <= width]
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="dim")
    for column in (columns[index] for index in shown):
        table.add_column(
            _line(column.title),
            justify=column.justify,
            overflow="ellipsis",
            no_wrap=not column.shrinks,  # rich narrows columns that may wrap first; the lines in them do not
            min_width=_NARROWEST if column.shrinks else None,
        )
    for row in rows:
        table.add_row(*(_line(row[index]) for index in shown))
    return table


def _line(cell: Text | str) -> Text:
    """Return a cell's text, as one line at any width."""
    line = Text(cell) if isinstance(cell, str) else cell
    line.no_wrap = True
    return line


def _nothing(text: str) -> Text:
    return Text(text, style="dim")


def _others(everybody: Sequence[object], top: int) -> Iterator[Text]:
    """Say how many are not shown."""
    if len(everybody) > top:
        yield _nothing(f"and {len(everybody) - top} more")


def _allocation(view: Allocation, width: int, top: int) -> Iterator[RenderableType]:
    if not view.quests:
        yield _nothing("no budget is known")
        return
    yield Text.assemble(dollars(view.total_usd), f" for {len(view.quests)} quests, allocated for {view.day}")
    columns = (
        Column("quest", shrinks=True),
        Column("budget", "right"),
        Column("share", "right"),
        Column("", room=70),
    )
    largest = view.quests[0].share or 1
    rows = [
        (each.name, dollars(each.usd), percent(each.share), bar((each.share or 0) / largest, "green"))
        for each in view.quests[:top]
    ]
    yield _table(columns, rows, width)
    yield from _others(view.quests, top)


def _efficiency(view: Efficiency, width: int, top: int) -> Iterator[RenderableType]:
    if not (view.tasks or view.quests or view.layers):
        yield _nothing("no outcome has settled")
        return
    if view.tasks:
        columns = (
            Column("", "right"),
            Column("best tasks, 30 days", shrinks=True),
            Column("layer"),
            Column("impact/$", "right"),
            Column("impact", "right", room=70),
            Column("cost", "right", room=60),
            Column("quest", room=100, shrinks=True),
            Column("title", room=140, shrinks=True),
        )
        rows = [
            (
                str(rank), task.task, badge(task.layer), ratio(task.impact_per_usd), ratio(task.impact_score),
                dollars(task.cost_usd), task.quest, task.title,
            )
            for rank, task in enumerate(view.tasks[:top], 1)
        ]  # fmt: skip
        yield _table(columns, rows, width)
    for title, ratios in (("layer", view.layers), ("quest", view.quests)):
        if ratios:
            most = max(each.impact_per_usd for each in ratios)
            named = [
                (
                    badge(each.name) if title == "layer" else Text(each.name),
                    ratio(each.impact_per_usd),
                    bar(each.impact_per_usd / most if most > 0 else None, "blue"),
                )
                for each in ratios[:top]
            ]
            yield ""
            yield _table((Column(title, shrinks=True), Column("impact/$", "right"), Column("", room=60)), named, width)
            yield from _others(ratios, top)


def _utilization(report: Report, width: int, top: int) -> Iterator[RenderableType]:
    view, window = report.utilization, report.window
    if view.spend_usd is None:
        yield _nothing("no spend is known")
        return
    yield Text.assemble(dollars(view.spend_usd), f" spent ({window})")
    if view.days:
        over = [day for day in view.days if day.over]
        budgeted = sum(1 for day in view.days if day.budget_usd is not None)
        yield ""
        yield from sparkline(view.days)
        yield _nothing(f"{view.days[0].day} to {view.days[-1].day}")
        yield Text(f"{len(over)} of {budgeted} days over budget", style="red" if over else "green")
    columns = (
        Column("quest", shrinks=True),
        Column("spend", "right"),
        Column("budget" if window == "today" else "allocated", "right"),
        Column("used", "right"),
        Column("", room=80),
    )
    rows = [
        (
            use.quest, dollars(use.spend_usd), dollars(use.budget_usd), percent(use.used_ratio, over=1),
            bar(use.used_ratio, "green"),
        )
        for use in view.quests[:top]
    ]  # fmt: skip
    yield ""
    yield _table(columns, rows, width)
    yield from _others(view.quests, top)


def _providers(view: Sequence[Provider], width: int) -> Iterator[RenderableType]:
    if not view:
        yield _nothing("no charge is known")
        return
    columns = [
        Column("provider", shrinks=True),
        Column("spend", "right"),
        Column("share", "right"),
        Column("tasks", "right", room=60),
        Column("$/task", "right", room=60),
        Column("charges", "right", room=100),
        Column("tokens in", "right", room=80),
        Column("out", "right", room=90),
        Column("", room=120),
    ]
    most = max(provider.spend_usd for provider in view)
    rows = [
        (
            each.provider, dollars(each.spend_usd), percent(each.share), whole(each.tasks), dollars(each.usd_per_task),
            whole(each.charges), whole(each.input_tokens), whole(each.output_tokens),
            bar(each.spend_usd / most if most > 0 else None, "yellow"),
        )
        for each in view
    ]  # fmt: skip
    if all(each.charges is None for each in view):  # of some quests only the dollars are known
        columns[3:8] = []
        rows = [(*row[:3], row[8]) for row in rows]  # type: ignore[misc]
        columns[3] = Column("", room=60)
    yield _table(columns, rows, width)


def _waste(view: Waste, width: int, top: int) -> Iterator[RenderableType]:
    if view.usd is None:
        yield _nothing("no outcome is known")
        return
    total = Text.assemble(dollars(view.usd), " wasted")
    total.stylize("bold red" if view.usd > 0 else "green")
    if view.share is not None:
        total.append(f", {view.share:.1%} of what settled outcomes cost", style="not bold")
    yield total
    if view.reasons:
        columns = (
            Column("reason"),
            Column("cost", "right"),
            Column("outcomes", "right"),
            Column("tokens", "right", room=60),
        )
        named = [(each.reason, dollars(each.usd), whole(each.outcomes), whole(each.tokens)) for each in view.reasons]
        yield _table(columns, named, width)
    yield from _wasted_tasks(view, width, top)
    yield from _costliest(view, width, top)


def _wasted_tasks(view: Waste, width: int, top: int) -> Iterator[RenderableType]:
    if not view.tasks:
        return
    columns = (
        Column("", "right"),
        Column("worst tasks, 30 days", shrinks=True),
        Column("tokens", "right"),
        Column("cost", "right", room=60),
        Column("impact", "right", room=70),
        Column("layer", room=80),
        Column("reason", room=90),
        Column("quest", room=120, shrinks=True),
        Column("title", room=160, shrinks=True),
    )
    rows = [
        (
            str(rank), task.task, whole(task.tokens), dollars(task.usd), ratio(task.impact_score), badge(task.layer),
            task.reason, task.quest, task.title,
        )
        for rank, task in enumerate(view.tasks[:top], 1)
    ]  # fmt: skip
    yield ""
    yield _table(columns, rows, width)


def _costliest(view: Waste, width: int, top: int) -> Iterator[RenderableType]:
    if not view.costliest:
        return
    columns = (
        Column("", "right"),
        Column("costliest tasks, today and yesterday", shrinks=True),
        Column("cost", "right"),
        Column("tokens", "right", room=60),
        Column("quest", room=90, shrinks=True),
    )
    rows = [
        (str(rank), task.task, dollars(task.usd), whole(task.tokens), task.quest)
        for rank, task in enumerate(view.costliest[:top], 1)
    ]
    yield ""
    yield _table(columns, rows, width)
