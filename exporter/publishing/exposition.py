"""Families to ready bytes: the exposition is rendered when a snapshot is made, and a scrape only picks a copy."""

from __future__ import annotations

import gzip
from collections.abc import Callable, Iterable
from time import monotonic

from prometheus_client import CollectorRegistry, ProcessCollector
from prometheus_client.exposition import generate_latest
from prometheus_client.openmetrics.exposition import generate_latest as generate_openmetrics
from prometheus_client.utils import floatToGoString

from exporter.views.metric import Family, Metric

TEXT = "text/plain; version=0.0.4; charset=utf-8"
OPENMETRICS = "application/openmetrics-text; version=1.0.0; charset=utf-8"
IDENTITY = "identity"
GZIP = "gzip"

_GZIP_LEVEL = 6
_GENERATORS: dict[str, Callable[[CollectorRegistry], bytes]] = {
    TEXT: generate_latest,
    OPENMETRICS: generate_openmetrics,
}


Format = tuple[str, str]
"""A content type and a content encoding."""

DEFAULT_FORMAT: Format = (TEXT, IDENTITY)
_WANTED_SECONDS = 600


class Demand:
    """Remembers which formats were asked for lately: those a refresh renders ahead."""

    def __init__(self) -> None:
        self._asked: dict[Format, float] = {}

    def note(self, wanted: Format) -> None:
        """Note that a format was asked for now."""
        self._asked[wanted] = monotonic()

    def recent(self) -> set[Format]:
        """Return the formats asked for in the last ten minutes, and the plainest."""
        since = monotonic() - _WANTED_SECONDS
        return {DEFAULT_FORMAT, *(wanted for wanted, asked in list(self._asked.items()) if asked >= since)}


_LEAST, _SHORT = -1e300, 1e6
"""Between these, Go writes a float as Python does."""


def written(value: float) -> str:
    """Return a value as an exposition writes it."""
    return repr(value) if _LEAST < value < _SHORT else str(floatToGoString(value))  # type: ignore[no-untyped-call]


class Lines:
    """Writes sample lines, and remembers how each begins: from one refresh to the next only values change."""

    def __init__(self) -> None:
        self._beginnings: dict[str, dict[tuple[str, ...], str]] = {}

    def of(self, family: Family) -> str:
        """Return a family's sample lines, which are the same in every format."""
        known = self._beginnings.get(family.name, {})
        beginnings: dict[tuple[str, ...], str] = {}
        lines: list[str] = []
        for labels, value in family.samples.items():
            beginning = known.get(labels)
            if beginning is None:
                beginning = line_beginning(family.name, zip(family.labels, labels, strict=True))
            beginnings[labels] = beginning
            lines.append(beginning + (repr(value) if _LEAST < value < _SHORT else written(value)))
        self._beginnings[family.name] = beginnings
        lines.append("")
        return "\n".join(lines)


def line_beginning(metric: str, labels: Iterable[tuple[str, str]]) -> str:
    """Return all of a sample's line that comes before its value."""
    pairs = ",".join(f'{name}="{_escaped(label)}"' for name, label in sorted(labels))
    return f"{metric}{{{pairs}}} " if pairs else f"{metric} "


def _on_one_line(text: str) -> str:
    return text.replace("\\", r"\\").replace("\n", r"\n")


def _escaped(text: str) -> str:
    return _on_one_line(text).replace('"', r"\"")


def head(metric: Metric, content_type: str) -> str:
    """Return a metric's HELP and TYPE: OpenMetrics names a counter without its ending, and escapes quotes too."""
    name, words = metric.name, _on_one_line(metric.help)
    if content_type == OPENMETRICS:
        name, words = name.removesuffix("_total"), _escaped(metric.help)
    return f"# HELP {name} {words}\n# TYPE {name} {metric.kind}\n"


class Renderer:
    """Renders families in the formats that were asked for lately."""

    def __init__(self, demand: Demand | None = None) -> None:
        self.demand = demand or Demand()
        self._lines = Lines()

    def render(self, families: Iterable[Family]) -> Exposition:
        """Return the exposition of families."""
        return Exposition(families, self.demand.recent(), self._lines)


class Exposition:
    """One snapshot's exposition. Formats asked for lately are ready bytes; any other is rendered when first asked for."""

    def __init__(
        self, families: Iterable[Family], ahead: Iterable[Format] = (DEFAULT_FORMAT,), lines: Lines | None = None
    ) -> None:
        """Render families, and the process's own metrics, in the formats given.

        `lines` remembers what was written before; it is used here only.
        """
        lines = lines or Lines()
        self._families = list(families)
        self._samples = [lines.of(family) for family in self._families]
        self.series = sum(len(family.samples) for family in self._families)
        self._process = CollectorRegistry(auto_describe=False)
        ProcessCollector(registry=self._process)
        self._bodies: dict[Format, bytes] = {}
        for wanted in ahead:
            self.body(wanted)

    def body(self, wanted: Format) -> bytes:
        """Return the exposition in a format."""
        if wanted not in self._bodies:
            content_type, encoding = wanted
            if encoding == GZIP:
                body = gzip.compress(self.body((content_type, IDENTITY)), _GZIP_LEVEL, mtime=0)
            else:
                body = self._rendered(content_type)
            self._bodies[wanted] = body
        return self._bodies[wanted]

    def _rendered(self, content_type: str) -> bytes:
        texts = [
            text
            for family, samples in zip(self._families, self._samples, strict=True)
            for text in (head(family.metric, content_type), samples)
        ]
        return "".join(texts).encode() + _GENERATORS[content_type](self._process)
