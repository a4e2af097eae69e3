"""What people see: plain where it is no terminal, within the width there is, and with marks for who sees no colours."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from exporter.report import figures, text
from exporter.report.drawing import bar, dollars, percent, sparkline
from exporter.report.figures import Day

EVERYTHING = figures.Report(
    snapshot="2026-04-10T12:00:00+00:00",
    window="7d",
    problems=["the impact ledger cannot be read"],
    allocation=figures.Allocation("2026-04-10", 40.0, [figures.Share("Enzyme Design", 30.0, 0.75)]),
    efficiency=figures.Efficiency(
        [figures.BestTask("t-1", "A [red]title[/red]", "Enzyme Design", "Forge", 4.0, 8.0, 2.0, 50.0)],
        [figures.Ratio("Enzyme Design", 3.5)],
        [figures.Ratio("Forge", 2.5)],
    ),
    utilization=figures.Utilization(
        50.0,
        [figures.Use("Enzyme Design", 45.0, 40.0, 1.125), figures.Use("no budget", 5.0, None, None)],
        [Day("2026-04-09", 10.0, 9.0, over=False), Day("2026-04-10", 10.0, 12.0, over=True)],
    ),
    providers=[figures.Provider("Codex", 50.0, 1.0, 4.0, 12.0, 100.0, 10.0, 12.5)],
    waste=figures.Waste(
        3.0,
        0.25,
        [figures.Reason("unscored", 3.0, 100.0, 2.0)],
        [figures.WastedTask("t-2", "Another title", "Enzyme Design", "Atlas", "unscored", 5000.0, 2.0, None)],
        [figures.CostlyTask("t-3", "Enzyme Design", 9.0, 700.0)],
    ),
)


def drawn(report: figures.Report = EVERYTHING, *, width: int = 200, terminal: bool = False) -> str:
    console = Console(
        file=io.StringIO(), width=width, force_terminal=terminal, highlight=False, emoji=False, markup=False,
        color_system="truecolor" if terminal else None,
    )  # fmt: skip
    text.draw(report, console, top=15)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_all_figures_are_there() -> None:
    found = drawn()

    for words in (
        "7d, as of 2026-04-10T12:00:00", "! the impact ledger cannot be read", "$40.00 for 1 quests", "75%", "4.00",
        "A [red]title[/red]", "$50.00 spent (7d)", "1 of 2 days over budget", "112%", "$12.50", "$3.00 wasted, 25.0%",
        "5,000", "t-3", "700",
    ):  # fmt: skip
        assert words in found, words


def test_it_is_plain_where_it_is_no_terminal() -> None:
    assert "\x1b" not in drawn()


def test_it_is_coloured_on_a_terminal() -> None:
    assert "\x1b[" in drawn(terminal=True)


@pytest.mark.parametrize("width", [40, 60, 80, 100, 200])
def test_no_line_is_wider_than_the_terminal(width: int) -> None:
    lines = drawn(width=width).splitlines()

    assert max(map(len, lines)) <= width
    assert any("Enzyme" in line and "$45.00" in line for line in lines)


def test_a_narrow_terminal_keeps_what_matters() -> None:
    found = drawn(width=44)

    assert all(words in found for words in ("$45.00", "112%", "t-1", "Forge", "5,000", "t-3"))
    assert "A title" not in found


def test_long_names_are_cut_rather_than_figures() -> None:
    use = figures.Use("The quest with the longest name of them all", 1045.0, 1040.0, 1.125)
    report = figures.Report(**{**vars(EVERYTHING), "utilization": figures.Utilization(1045.0, [use], [])})
    (line,) = (line for line in drawn(report, width=44).splitlines() if "$1,045.00 " in line and "spent" not in line)

    assert line.split()[-3:] == ["$1,045.00", "$1,040.00", "112%"]
    assert "The quest" in line
    assert "…" in line


def test_nothing_known_is_said() -> None:
    found = drawn(
        figures.Report(
            None, "7d", [], figures.Allocation(None, None, []), figures.Efficiency([], [], []),
            figures.Utilization(None, [], []), [], figures.Waste(None, None, [], [], []),
        )
    )  # fmt: skip

    for words in (
        "no refresh yet",
        "no budget",
        "no outcome has settled",
        "no spend",
        "no charge",
        "no outcome is known",
    ):
        assert words in found


def test_providers_of_some_quests_have_dollars_only() -> None:
    report = figures.Report(**{**vars(EVERYTHING), "providers": [figures.Provider("Codex", 50.0, 1.0)]})

    assert "tokens in" not in drawn(report)
    assert "Codex" in drawn(report)


def test_overspent_days_are_marked_for_who_sees_no_colours() -> None:
    days = [
        Day("1", 10.0, 0.0, over=False), Day("2", 10.0, 5.0, over=False), Day("3", 7.0, 10.0, over=True),
    ]  # fmt: skip

    assert [line.plain for line in sparkline(days)] == ["▁▅█", "  ^"]
    assert [line.plain for line in sparkline(days[:2])] == ["▁█"]
    assert [line.plain for line in sparkline([Day("1", None, 0.0, over=False)])] == ["▁"]


@pytest.mark.parametrize(
    ("usd", "expected"),
    [(None, "-"), (0, "$0.00"), (1234.5, "$1,234.50"), (-3, "-$3.00"), (0.00042, "$0.00042"), (-0.001, "-$0.001")],
)
def test_dollars(usd: float | None, expected: str) -> None:
    assert dollars(usd).plain == expected


@pytest.mark.parametrize(
    ("share", "expected"),
    [(None, ""), (-1, ""), (0, ""), (0.001, "▏"), (0.5, "█████"), (0.55, "█████▌"), (1, "█" * 10)],
)
def test_bars(share: float | None, expected: str) -> None:
    assert bar(share, "green", 10).plain == expected


def test_what_is_over_is_red() -> None:
    assert bar(1.2, "green", 10).style == "red"
    assert (percent(1.2, over=1).style, percent(0.9, over=1).style) == ("bold red", "")
