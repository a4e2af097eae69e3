"""How many rows a first load asks for at once."""

from __future__ import annotations

from exporter.reading.tuning import Tuning

_LONG_SECONDS = 0.5


class PieceSize:
    """The size of the next piece: a long or failed one halves it, a short one lets it grow."""

    def __init__(self, tuning: Tuning) -> None:
        self._tuning = tuning
        self.rows = tuning.piece_rows

    def note(self, seconds: float) -> None:
        """Note how long a piece took."""
        if seconds > _LONG_SECONDS:
            self.halve()
        else:
            self.rows = min(self._tuning.piece_rows, self.rows + self._tuning.smallest_piece_rows)

    def halve(self) -> None:
        """Ask for half as many rows."""
        self.rows = max(self._tuning.smallest_piece_rows, self.rows // 2)
