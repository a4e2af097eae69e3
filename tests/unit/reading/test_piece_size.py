"""The first load: pieces that take long become smaller."""

from __future__ import annotations

import pytest

from exporter.reading.piece_size import PieceSize
from exporter.reading.tuning import Tuning


@pytest.fixture
def size() -> PieceSize:
    return PieceSize(Tuning(piece_rows=8000, smallest_piece_rows=500))


def test_it_begins_with_the_largest_piece(size: PieceSize) -> None:
    assert size.rows == 8000


@pytest.mark.parametrize(("seconds", "rows"), [(0.1, 8000), (0.5, 8000), (0.51, 4000)])
def test_a_long_piece_halves_the_next(size: PieceSize, seconds: float, rows: int) -> None:
    size.note(seconds)

    assert size.rows == rows


def test_short_ones_grow_a_little_and_never_above_the_largest(size: PieceSize) -> None:
    for _ in range(2):
        size.note(1.0)
    sizes = []
    for _ in range(14):
        size.note(0.1)
        sizes.append(size.rows)

    assert sizes[:3] == [2500, 3000, 3500]
    assert sizes[-3:] == [8000, 8000, 8000]


def test_it_never_becomes_smaller_than_the_smallest(size: PieceSize) -> None:
    for _ in range(20):
        size.note(9.0)

    assert size.rows == 500


def test_a_piece_that_failed_halves_the_next(size: PieceSize) -> None:
    size.halve()

    assert size.rows == 4000
