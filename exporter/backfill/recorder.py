"""What series were told over a stretch of steps, kept by where it changes."""

from __future__ import annotations

from array import array
from collections.abc import Iterator
from math import isnan, nan
from typing import NamedTuple

from exporter.backfill.past import Step
from exporter.views.metric import Metric

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


class Recorder:
    """Takes in steps, of which the first must be whole, until it is emptied."""

    def __init__(self) -> None:
        self._series: dict[Metric, dict[Labels, Changes]] = {}
        self._begin()

    def _begin(self) -> None:
        self._series = {}
        self.steps = 0
        self.changes = 0

    @property
    def is_full(self) -> bool:
        """Tell whether what is taken in should be written before more is."""
        return self.changes > _MANY_CHANGES

    def take(self, step: Step) -> None:
        """Take in the next step."""
        position = self.steps
        for family in step.families:
            series = self._series.setdefault(family.metric, {})
            for labels, value in family.samples.items():
                changes = series.get(labels)
                if changes is None:
                    changes = series[labels] = Changes()
                elif changes.values[-1] == value:
                    continue
                changes.change(position, value)
                self.changes += 1
        if step.whole:
            self._end_others(step, position)
        self.steps += 1

    def _end_others(self, step: Step, position: int) -> None:
        """End every series that a whole step does not tell of."""
        told = {family.metric: family.samples for family in step.families}
        for metric, series in self._series.items():
            samples = told.get(metric, {})
            for labels, changes in series.items():
                if labels not in samples:
                    changes.end(position)

    def empty(self) -> dict[Metric, dict[Labels, Changes]]:
        """Return what was taken in, and begin anew."""
        series = self._series
        self._begin()
        return series
