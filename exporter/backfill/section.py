"""A stretch of steps with all of its series: what an output writes at once."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from operator import itemgetter

from exporter.backfill.recorder import Changes, Labels, Run
from exporter.views.metric import Metric


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
