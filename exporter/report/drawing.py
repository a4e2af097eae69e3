"""What figures look like: money, numbers, bars, sparklines and badges."""

from __future__ import annotations

from collections.abc import Sequence

from rich.text import Text

from exporter.report.figures import Day

BAR_WIDTH = 20
_EIGHTHS = " ▏▎▍▌▋▊▉█"
_LEVELS = "▁▂▃▄▅▆▇█"
_LAYERS = {"Agora": "blue", "Exchange": "yellow", "Forge": "red", "Atlas": "green", "Senate": "magenta"}
_ABSENT = Text("-", style="dim")
_SMALL = 0.01


def dollars(usd: float | None) -> Text:
    """Write US dollars: to the cent, and what is smaller with two digits that count."""
    if usd is None:
        return _ABSENT.copy()
    if usd and abs(usd) < _SMALL:
        return Text(f"${usd:.2g}".replace("$-", "-$"))
    return Text(f"${usd:,.2f}".replace("$-", "-$"))


def whole(number: float | None) -> Text:
    """Write a number of things."""
    return _ABSENT.copy() if number is None else Text(f"{number:,.0f}")


def ratio(number: float | None) -> Text:
    """Write a number with its first digits."""
    return _ABSENT.copy() if number is None else Text(f"{number:,.2f}")


def percent(share: float | None, *, over: float | None = None) -> Text:
    """Write a share; red where it is more than allowed."""
    if share is None:
        return _ABSENT.copy()
    return Text(f"{share:.0%}", style="bold red" if over is not None and share > over else "")


def bar(share: float | None, colour: str, width: int = BAR_WIDTH) -> Text:
    """Draw a share of 1 as a bar; what is more is drawn red, as far as there is room."""
    if share is None or share <= 0:
        return Text()
    eighths = min(round(share * width * 8), width * 8) or 1
    drawn = _EIGHTHS[8] * (eighths // 8) + _EIGHTHS[eighths % 8].strip()
    return Text(drawn, style="red" if share > 1 else colour)


def badge(layer: str) -> Text:
    """Write a layer on its colour."""
    colour = _LAYERS.get(layer)
    return Text(f" {layer} ", style=f"bold white on {colour}") if colour else Text(f" {layer} ", style="dim")


def sparkline(days: Sequence[Day]) -> list[Text]:
    """Draw the spend of days, red where it was more than the budget; below, a mark for these, for who sees no colours."""
    most = max([day.spend_usd for day in days], default=0.0)
    line, marks = Text(), Text(style="red")
    for day in days:
        height = max(0, round(day.spend_usd / most * (len(_LEVELS) - 1))) if most > 0 else 0
        line.append(_LEVELS[height], style="red" if day.over else "green")
        marks.append("^" if day.over else " ")
    return [line, marks] if any(day.over for day in days) else [line]
