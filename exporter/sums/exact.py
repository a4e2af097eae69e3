"""What is added up: money, tokens, outcomes, allocations. All of it exactly, so that a sum of parts equals the whole."""

from __future__ import annotations

from decimal import Clamped, Context, Decimal, DivisionByZero, Inexact, InvalidOperation, Overflow
from fractions import Fraction
from typing import NamedTuple, Protocol, Self, TypeVar

# PostgreSQL's numeric has up to 16,383 decimals, and a double cast to numeric up to 309 digits before them: with this
# precision no accepted value is ever rounded, and if one were, `Inexact` would say so. Small numbers cost nothing extra.
EXACT = Context(prec=20_000, traps=[Clamped, DivisionByZero, Inexact, InvalidOperation, Overflow])
ZERO = Decimal(0)


class Sums(Protocol):
    """What a table adds up: exactly, so that what was added can be taken away again. `rows` is how many rows it is of."""

    @property
    def rows(self) -> int:
        """Return the number of rows."""

    def __add__(self, other: Self, /) -> Self: ...

    def __neg__(self) -> Self: ...


S = TypeVar("S", bound=Sums)


class Spend(NamedTuple):
    """Charges added up: US dollars, tokens, and how many charges."""

    usd: Decimal = ZERO
    tokens_in: int = 0
    tokens_out: int = 0
    charges: int = 0

    def __add__(self, other: Spend) -> Spend:  # type: ignore[override] # sums, not tuples, are added
        return Spend(
            EXACT.add(self.usd, other.usd),
            self.tokens_in + other.tokens_in,
            self.tokens_out + other.tokens_out,
            self.charges + other.charges,
        )

    def __neg__(self) -> Spend:
        return Spend(self.usd.copy_negate(), -self.tokens_in, -self.tokens_out, -self.charges)

    def __sub__(self, other: Spend) -> Spend:
        return self + -other

    @property
    def rows(self) -> int:
        """Return the number of charges."""
        return self.charges

    def growth(self) -> Spend:
        """Return this difference with every fall replaced by nothing."""
        return Spend(max(self.usd, ZERO), max(self.tokens_in, 0), max(self.tokens_out, 0), max(self.charges, 0))


class Outcomes(NamedTuple):
    """Outcomes added up: settled impact, cost and number; cost and number still pending."""

    impact: Decimal = ZERO
    usd: Decimal = ZERO
    settled: int = 0
    pending_usd: Decimal = ZERO
    pending: int = 0

    def __add__(self, other: Outcomes) -> Outcomes:  # type: ignore[override] # sums, not tuples, are added
        return Outcomes(
            EXACT.add(self.impact, other.impact),
            EXACT.add(self.usd, other.usd),
            self.settled + other.settled,
            EXACT.add(self.pending_usd, other.pending_usd),
            self.pending + other.pending,
        )

    def __neg__(self) -> Outcomes:
        return Outcomes(
            self.impact.copy_negate(),
            self.usd.copy_negate(),
            -self.settled,
            self.pending_usd.copy_negate(),
            -self.pending,
        )

    @property
    def rows(self) -> int:
        """Return the number of outcomes, settled or pending."""
        return self.settled + self.pending

    @property
    def impact_per_usd(self) -> Fraction | None:
        """Return the ratio of the sums, exactly; None where the cost is not above 0."""
        return Fraction(self.impact) / Fraction(self.usd) if self.usd > 0 else None


class Waste(NamedTuple):
    """Wasted outcomes added up: US dollars, tokens and number."""

    usd: Decimal = ZERO
    tokens: int = 0
    outcomes: int = 0

    def __add__(self, other: Waste) -> Waste:  # type: ignore[override] # sums, not tuples, are added
        return Waste(EXACT.add(self.usd, other.usd), self.tokens + other.tokens, self.outcomes + other.outcomes)

    def __neg__(self) -> Waste:
        return Waste(self.usd.copy_negate(), -self.tokens, -self.outcomes)

    @property
    def rows(self) -> int:
        """Return the number of outcomes."""
        return self.outcomes


class Allocation(NamedTuple):
    """Allocation rows added up: the US dollars allocated and recorded as spent; rows, and rows with a recorded spend."""

    usd: Decimal = ZERO
    recorded_usd: Decimal = ZERO
    rows: int = 0
    recorded_rows: int = 0

    def __add__(self, other: Allocation) -> Allocation:  # type: ignore[override] # sums, not tuples, are added
        return Allocation(
            EXACT.add(self.usd, other.usd),
            EXACT.add(self.recorded_usd, other.recorded_usd),
            self.rows + other.rows,
            self.recorded_rows + other.recorded_rows,
        )

    def __neg__(self) -> Allocation:
        return Allocation(self.usd.copy_negate(), self.recorded_usd.copy_negate(), -self.rows, -self.recorded_rows)

    @property
    def recorded_known(self) -> bool:
        """Tell whether the recorded spend is known: there is a record, or there is no row to record one in."""
        return self.recorded_rows > 0 or self.rows == 0
