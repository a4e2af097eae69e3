"""Write `docs/metrics.md` from the metrics' declarations, or with `--check` say whether the committed page differs.

The tables come from `exporter.views`, the text around them from `metrics_page.template.md`.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

from exporter.views import VIEWS, thresholds
from exporter.views.metric import Metric
from scripts.page import Page

TEMPLATE = Path(__file__).with_name("metrics_page.template.md")
PLACE = "<!-- tables -->\n"
"""The line of the template in whose place the tables stand."""


def generate() -> str:
    """Return the whole page, the same at every call."""
    tables = "\n".join(line for view in (*VIEWS, thresholds) for line in _section(view))
    return TEMPLATE.read_text(encoding="utf-8").replace(PLACE, tables)


def _section(view: ModuleType) -> Iterator[str]:
    """Yield the lines about one view; its module's docstring says its name and the question it answers."""
    name, _, question = str(view.__doc__).strip().partition(": ")
    yield from (f"### {name}", "", question[:1].upper() + question[1:], "")
    yield from ("| metric | type | labels | meaning |", "|---|---|---|---|")
    yield from (_row(metric) for metric in view.METRICS)
    yield ""


def _row(metric: Metric) -> str:
    labels = ", ".join(f"`{label}`" for label in metric.labels) or "none"
    meaning = metric.help.replace("|", "\\|")
    return f"| `{metric.name}` | {metric.kind} | {labels} | {meaning} |"


PAGE = Page("metrics.md", generate)

if __name__ == "__main__":
    sys.exit(PAGE.main())
