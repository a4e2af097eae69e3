"""A report for programs: the views as JSON, or the samples they are made of as CSV."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable
from dataclasses import asdict

from exporter.publishing.exposition import written
from exporter.publishing.samples import Samples
from exporter.report.figures import Report
from exporter.views import allocation, efficiency, providers, utilization, waste
from exporter.views.metric import Metric

_VIEWS = (allocation, efficiency, utilization, providers, waste)


def _view(metric: Metric) -> str | None:
    """Return the name of a metric's view; None for health and thresholds."""
    return next((view.__name__.rpartition(".")[2] for view in _VIEWS if metric in view.METRICS), None)


_BEGIN_FORMULAS = ("=", "+", "-", "@", "\t", "\r", "\uff1d", "\uff0b", "\uff0d", "\uff20")
"""Spreadsheets calculate cells that begin so, also with the wide characters of East Asian keyboards."""
_LABELS = sorted({label for view in _VIEWS for metric in view.METRICS for label in metric.labels})


def as_json(report: Report) -> str:
    """Return the views as one JSON object."""
    return json.dumps(asdict(report), indent=2, ensure_ascii=False)


def as_csv(samples: Samples, window: str, *, of_some_quests: bool) -> str:
    """Return the samples of the views and window, a line each: view, metric, labels and value, as an exposition writes it.

    Of some quests only what has a quest is told. Labels that a spreadsheet would take for formulas have a `'` in front.
    """
    table = io.StringIO()
    lines = csv.writer(table, lineterminator="\n")
    lines.writerow(["view", "metric", *_LABELS, "value"])
    lines.writerows(_rows(samples, window, of_some_quests=of_some_quests))
    return table.getvalue().rstrip("\n")


def _rows(samples: Samples, window: str, *, of_some_quests: bool) -> Iterable[list[str]]:
    for metric, labels, value in samples:
        view = _view(metric)
        if view is None or metric.kind == "counter" or labels.get("window", window) != window:
            continue
        if "quest" in labels or not of_some_quests:
            yield [view, metric.name, *(_as_text(labels.get(label, "")) for label in _LABELS), written(value)]


def _as_text(label: str) -> str:
    """Return a label as a cell that is text to every spreadsheet: who books a task must not run anything in one."""
    return f"'{label}" if label.lstrip(" ").startswith(_BEGIN_FORMULAS) else label
