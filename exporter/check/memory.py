"""How much memory a running exporter will take: a formula whose figures were measured (docs/check.md)."""

from __future__ import annotations

from dataclasses import dataclass

BASE_MB = 62.0
"""Python, the libraries and an exporter that publishes nothing."""
SERIES_KB = 5.0
"""A series: its sums, its place in the views, its line in two formats."""
TASK_BYTES = 33.0
"""A task: its number, and its place in the sets of ranges and days."""
TASK_SUM_KB = 0.5
"""A sum of a single task charged today or yesterday. The costliest are found among them: each has one in every range that
charges it, and one over all."""
ROW_BYTES = 1.0
"""A row of the ledgers, in the compressed parts of old ranges."""

_KB, _MB = 1e3, 1e6


@dataclass(frozen=True)
class Memory:
    """What memory depends on: series published, tasks in the cost ledger, sums of single ones, rows in all ledgers."""

    series: int
    tasks: int
    task_sums: int
    rows: int

    @property
    def megabytes(self) -> float:
        """Return the estimate of the resident memory in MB (10^6 bytes)."""
        labels, tasks = (
            self.series * SERIES_KB * _KB,
            self.tasks * TASK_BYTES + self.task_sums * TASK_SUM_KB * _KB,
        )
        return BASE_MB + (labels + tasks + self.rows * ROW_BYTES) / _MB
