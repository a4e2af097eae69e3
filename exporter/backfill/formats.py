"""How a section is written: as OpenMetrics, or as remote write.

A series seldom changes from step to step. So in each format what its value makes of a sample's text is joined with the texts
of the instants, a run at a time.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby

from exporter.backfill.recorder import Labels, Run, Section
from exporter.publishing.exposition import OPENMETRICS, head, line_beginning, written
from exporter.views.metric import Metric


class OpenMetrics:
    """OpenMetrics with timestamps: metric by metric, series by series. A piece is a series; `END` ends a file."""

    END = b"# EOF\n"

    def __init__(self, extra: Mapping[str, str]) -> None:
        """`extra` are labels that every series gets."""
        self._extra = extra
        self._beginnings: dict[tuple[str, Labels], str] = {}

    def pieces(self, section: Section) -> Iterator[bytes]:
        """Yield a section."""
        tails = [f" {instant}\n" for instant in section.instants]
        for metric, group in groupby(section.series(), key=lambda series: series[0]):
            opening = head(metric, OPENMETRICS)
            for _, labels, runs in group:
                yield "".join([opening, *self._lines(self._beginning(metric, labels), runs, tails)]).encode()
                opening = ""

    def _beginning(self, metric: Metric, labels: Labels) -> str:
        key = metric.name, labels
        if key not in self._beginnings:
            self._beginnings[key] = line_beginning(metric.name, _labels(metric, labels, self._extra).items())
        return self._beginnings[key]

    @staticmethod
    def _lines(beginning: str, runs: Sequence[Run], tails: Sequence[str]) -> Iterator[str]:
        for start, end, value in runs:
            text = beginning + written(value)
            yield text + (tails[start] if end == start + 1 else text.join(tails[start:end]))


def _labels(metric: Metric, labels: Labels, extra: Mapping[str, str]) -> dict[str, str]:
    return {**dict(zip(metric.labels, labels, strict=True)), **extra}


class RemoteWrite:
    """Time series of remote write 1.0, protobuf without its outermost frame: pieces may be put together to a request.

    A sample is 17 bytes: the value as a double, then the instant in milliseconds as a varint of 6 bytes, which it is from 1971
    to 2109.
    """

    def __init__(self, extra: Mapping[str, str]) -> None:
        """`extra` are labels that every series gets."""
        self._extra = extra

    def pieces(self, section: Section) -> Iterator[bytes]:
        """Yield a section."""
        tails = [b"\x10" + _varint(instant * 1000) for instant in section.instants]
        for metric, labels, runs in section.series():
            named = {"__name__": metric.name, **_labels(metric, labels, self._extra)}
            pairs = b"".join(
                _field(1, _field(1, name.encode()) + _field(2, text.encode()))
                for name, text in sorted(named.items())
                if text
            )
            samples = b"".join(_samples(run, tails) for run in runs)
            yield _field(1, pairs + samples)

    @staticmethod
    def request(pieces: Sequence[bytes]) -> bytes:
        """Return the body of a request, in Snappy's block format."""
        return _snappy(b"".join(pieces))


def _samples(run: Run, tails: Sequence[bytes]) -> bytes:
    """Return the samples of a run: field 2 of a series, each a message of a double and a varint."""
    value = b"\x12" + _varint(9 + len(tails[run.start])) + b"\x09" + struct.pack("<d", run.value)
    return value + value.join(tails[run.start : run.end])


def _field(number: int, content: bytes) -> bytes:
    """Return a field of protobuf that has a length."""
    return bytes([number << 3 | 2]) + _varint(len(content)) + content


def _varint(number: int) -> bytes:
    digits = bytearray()
    while number > 0x7F:
        digits.append(number & 0x7F | 0x80)
        number >>= 7
    digits.append(number)
    return bytes(digits)


_LITERAL = 1 << 16


def _snappy(content: bytes) -> bytes:
    """Return bytes in Snappy's block format, as literals: framed, but not made smaller."""
    pieces = [_varint(len(content))]
    for start in range(0, len(content), _LITERAL):
        literal = content[start : start + _LITERAL]
        pieces += [b"\xf4", struct.pack("<H", len(literal) - 1), literal]
    return b"".join(pieces)
