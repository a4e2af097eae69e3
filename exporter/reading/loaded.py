"""What is known of a loaded ledger: nothing in it is half known."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Generic, TypeVar

from exporter.ledgers.ledger import Fingerprint, State
from exporter.ledgers.question import Question
from exporter.reading.hints import Hints
from exporter.reading.late_ids import LateIds
from exporter.reading.lateness import Lateness
from exporter.reading.newest_range import NewestRange
from exporter.reading.seen_instants import SeenInstants
from exporter.reading.settled_ranges import SettledRanges
from exporter.reading.updates import Updates
from exporter.reading.verifier import Verifier
from exporter.sums.range_sums import RangeSums
from exporter.sums.ranges import END, Range

R = TypeVar("R", bound=RangeSums)


@dataclass
class Loaded(Generic[R]):
    """A ledger as of its last refresh.

    `ids` finds late rows, where the ledger has ordered ids, `updates` updated ones, where rows say when they were updated.
    `dirty` holds the starts of ranges that must be read again, `turn` up to where older ranges were counted in turn,
    `future_cycles` how many cycles of verification had ended when the rows of days to come were read.
    """

    question: Question
    connection: int
    fingerprint: Fingerprint
    state: State
    newest: NewestRange[R]
    future: Range[R]
    settled: SettledRanges[R]
    verifier: Verifier[R]
    ids: LateIds | None
    updates: Updates | None
    seen: SeenInstants
    lateness: Lateness
    hints: Hints
    dirty: set[int] = field(default_factory=set)
    turn: int = END
    future_cycles: int = 0
    is_overlooking: bool = False

    @property
    def rows(self) -> int:
        """Return how many rows are known."""
        return self.settled.totals.rows + self.newest.sums.rows + self.future.sums.rows

    @property
    def carried_over(self) -> int:
        """Return how many ranges are still to be read again, and one more where late rows are still to be taken in."""
        return len(self.dirty) + (self.ids is not None and self.ids.has_more)

    def is_reset(self, state: State, connection: int) -> bool:
        """Tell whether another ledger answers than before, or may do so."""
        if connection != self.connection or state.identity != self.state.identity:
            return True
        return (state.largest_id or 0) < (self.state.largest_id or 0)
