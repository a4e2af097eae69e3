"""What series were told over a stretch of steps, kept by where it changes: the section that an output writes at once."""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import isnan, nan
from operator import itemgetter
from typing import NamedTuple

from exporter.views.metric import Family, Metric

_MANY_CHANGES = 8_000_000
"""So many changes are 100 MB of memory."""

Labels = tuple[str, ...]


class Run(NamedTuple):
    """Consecutive steps, by their positions from `start` up to `end`, in which a series had one value."""

    start: int
    end: int
    value: float


class Changes:
    """Where a series changes and what to, in order; not a number where it ends."""

    __slots__ = ("ends", "positions", "values")

    def __init__(self) -> None:
        self.positions = array("I")
        self.values = array("d")
        self.ends = False

    def change(self, position: int, value: float) -> None:
        """Note another value."""
        self.positions.append(position)
        self.values.append(value)

    def end(self, position: int) -> None:
        """Note that the series ends, which it may do more than once."""
        if not isnan(self.values[-1]):
            self.change(position, nan)
            self.ends = True

    def samples(self, end: int) -> int:
        """Return the number of samples up to a position."""
        if self.ends:
            return sum(run.end - run.start for run in self.runs(end))
        return end - self.positions[0]

    def runs(self, end: int) -> Iterator[Run]:
        """Yield the runs up to a position."""
        last = len(self.positions) - 1
        for index, (start, value) in enumerate(zip(self.positions, self.values, strict=True)):
            if value == value:  # noqa: PLR0124 - not where it ends
                yield Run(start, self.positions[index + 1] if index < last else end, value)


@dataclass(frozen=True)
class Section:
    """Consecutive instants, in Unix seconds, and the series that have samples at them."""

    instants: Sequence[int]
    recorded: Mapping[Metric, Mapping[Labels, Changes]]

    def series(self) -> Iterator[tuple[Metric, Labels, list[Run]]]:
        """Yield each series with its runs, metric by metric, in the order of labels."""
        for metric, by_labels in self.recorded.items():
            for labels, changes in sorted(by_labels.items(), key=itemgetter(0)):
                yield metric, labels, list(changes.runs(len(self.instants)))

    def size(self) -> tuple[int, int]:
        """Return the number of series and of samples."""
        every = [changes for by_labels in self.recorded.values() for changes in by_labels.values()]
        return len(every), sum(changes.samples(len(self.instants)) for changes in every)


class Recorder:
    """Takes in steps until it is emptied."""

    def __init__(self) -> None:
        self._series: dict[Metric, dict[Labels, Changes]] = {}
        self._instants: list[int] = []
        self._changes = 0

    @property
    def is_full(self) -> bool:
        """Tell whether what is taken in should be written before more is."""
        return self._changes > _MANY_CHANGES

    def take(self, instant: int, families: Iterable[Family]) -> None:
        """Take in what is told at the next instant; a series it does not tell of has ended."""
        position = len(self._instants)
        self._instants.append(instant)
        told = {family.metric: family.samples for family in families}
        for metric, samples in told.items():
            series = self._series.setdefault(metric, {})
            for labels, value in samples.items():
                changes = series.get(labels)
                if changes is None:
                    changes = series[labels] = Changes()
                elif changes.values[-1] == value:
                    continue
                changes.change(position, value)
                self._changes += 1
        for metric, series in self._series.items():
            samples = told.get(metric, {})
            if len(samples) < len(series):
                for labels, changes in series.items():
                    if labels not in samples:
                        changes.end(position)

    def empty(self) -> Section:
        """Return what was taken in, and begin anew."""
        section = Section(self._instants, self._series)
        self._series, self._instants, self._changes = {}, [], 0
        return section
