"""Pieces: rows are read in bounded numbers, the newest first, and rows of one instant are never torn apart."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from exporter.ledgers.span import Span
from exporter.reading.pieces import Piece, Pieces
from tests.support.plain_ledger import ABLE, QUESTION, PlainLedger, PlainServer


def read(where: Span, size: int, *instants: int) -> tuple[Piece, list[str]]:
    server = PlainServer()
    server.book(*instants)
    pieces: Pieces[object] = Pieces(PlainLedger())  # type: ignore[type-var]
    return server.hold(pieces.read(where, QUESTION, ABLE, size)), server.asked


class TestPieces:
    def test_few_rows_are_read_at_once(self) -> None:
        piece, asked = read(Span(0, 10), 3, 0, 5, 9, 10)

        assert (piece.where, [row[1] for row in piece.rows]) == (Span(0, 10), [9, 5, 0])
        assert asked == ["rows_of"]

    def test_of_many_the_newest_are(self) -> None:
        piece, asked = read(Span(0, 10), 3, 1, 3, 5, 7, 9)

        assert (piece.where, [row[1] for row in piece.rows]) == (Span(4, 10), [9, 7, 5])
        assert asked == ["rows_of"]

    def test_rows_of_an_instant_that_does_not_fit_are_left_for_the_next(self) -> None:
        piece, _ = read(Span(0, 10), 3, 1, 5, 5, 7, 9)

        assert (piece.where, [row[1] for row in piece.rows]) == (Span(6, 10), [9, 7])

    def test_too_many_of_one_instant_are_read_all_the_same(self) -> None:
        piece, asked = read(Span(0, 10), 3, 1, 5, 5, 5, 5, 5)

        assert (piece.where, [row[1] for row in piece.rows]) == (Span(5, 10), [5] * 5)
        assert asked == ["rows_of", "all_rows_of"]

    @given(st.lists(st.integers(-3, 12), max_size=20), st.integers(1, 6))
    def test_pieces_one_after_the_other_are_the_whole(self, instants: list[int], size: int) -> None:
        end, found = 10, list[int]()
        while end > 0:
            piece, _ = read(Span(0, end), size, *instants)
            at = [row[1] for row in piece.rows]

            assert piece.where.start < piece.where.end == end
            assert all(piece.where.start <= each < end for each in at)
            assert len(at) <= size or len(set(at)) == 1
            found += at
            end = piece.where.start
        assert found == sorted((each for each in instants if 0 <= each < 10), reverse=True)
