"""Write `docs/metrics.md` from the metrics' declarations, or with `--check` say whether the committed page differs.

The tables come from `exporter.views`, the text around them from `metrics_page.template.md`.

Exit codes: 0 the page is as generated, 1 it differs or is missing.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import ModuleType

from exporter.views import VIEWS, thresholds
from exporter.views.metric import Metric

PAGE = Path(__file__).parents[1] / "docs" / "metrics.md"
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


def is_current(page: Path = PAGE) -> bool:
    """Tell whether a page is what `generate` returns."""
    return page.is_file() and page.read_text(encoding="utf-8") == generate()


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code."""
    parser = argparse.ArgumentParser(prog="python -m scripts.metrics_page", description="Generate docs/metrics.md.")
    parser.add_argument("--check", action="store_true", help="compare with the page instead of writing it")
    parser.add_argument("--output", type=Path, default=PAGE, help="the page")
    options = parser.parse_args(arguments)
    if not options.check:
        options.output.write_text(generate(), encoding="utf-8")
        return 0
    if is_current(options.output):
        return 0
    sys.stderr.write(f"{options.output} is not as generated; run `make docs-metrics`\n")
    return 1


if __name__ == "__main__":
    sys.exit(main())
