"""What an attempt to read a ledger from a source brought."""

from __future__ import annotations

from dataclasses import dataclass

from exporter.config import LedgerName
from exporter.sums import Part


@dataclass(frozen=True)
class Reading:
    """The outcome of one attempt to read a ledger from a source: a part, or what went wrong.

    `rows` is how many rows the attempt has read. `progress` is the share of the ledger that is loaded, `verified_age` the
    seconds since its least recently verified part was read, None where nothing is known; `corrections` counts the parts
    that were found changed since the reading before. `lateness` is the largest time from a row's instant to the refresh that
    first saw it, over the last hour, in seconds; None without a row.
    """

    ledger: LedgerName
    source: str
    seconds: float
    rows: int = 0
    part: Part | None = None
    error: str | None = None
    progress: float = 0.0
    verified_age: float | None = None
    corrections: int = 0
    lateness: float | None = None
