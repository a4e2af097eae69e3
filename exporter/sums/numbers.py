"""Numbers as they arrive from a database, made exact. Unusable numbers are told apart from texts that are no number."""

from __future__ import annotations

import sys
from decimal import ROUND_HALF_UP, Decimal, InvalidOperation

_LARGEST = Decimal("1e100")
_LARGEST_FLOAT = Decimal(repr(sys.float_info.max))
_SMALLEST_EXPONENT = -16_383
"""PostgreSQL's numeric has no more decimals, and the exact context is made for these."""
_MOST_QUOTED = 300
_MAX_TOKENS = 2**63 - 1
_HINT = (
    "hint: a column is text that does not always hold such a value; map it with an expression that is NULL where it does not, "
    "and such rows are left out and counted"
)


class NotANumberError(ValueError):
    """A column that should hold numbers holds something else; the message says what, and what to do."""


def decimal(text: str | None) -> Decimal | None:
    """Return an amount, None where there is none, or none that can be added up: NaN, infinite, beyond 1e100.

    Raises:
        NotANumberError: the text is no number.
    """
    if text is None:
        return None
    number = _number(text)
    return number if number.is_finite() and -_LARGEST <= number <= _LARGEST else None


def score(text: str | None) -> Decimal | None:
    """Return an impact score, None where there is none, or none that a float can hold: NaN, infinite, beyond 1.8e308.

    Raises:
        NotANumberError: the text is no number.
    """
    if text is None:
        return None
    number = _number(text)
    return number if number.is_finite() and -_LARGEST_FLOAT <= number <= _LARGEST_FLOAT else None


def tokens(number: object) -> int:
    """Return a number of tokens, rounded half away from 0; 0 where there is none, or none that fits 64 bits.

    Raises:
        NotANumberError: the value is no number.
    """
    if type(number) is int:
        return number if -_MAX_TOKENS - 1 <= number <= _MAX_TOKENS else 0
    if number is None:
        return 0
    exact = score(str(number))
    if exact is None or not -_MAX_TOKENS - 1 <= exact <= _MAX_TOKENS:
        return 0
    return int(exact.to_integral_value(ROUND_HALF_UP))


def _number(text: str) -> Decimal:
    """Return a number as PostgreSQL reads it: `Decimal` reads some texts that it refuses, and smaller numbers than it holds."""
    try:
        number = Decimal(text)
    except InvalidOperation:
        raise _not_a_number(text) from None
    if not text.isascii() or "_" in text or not (number.is_finite() or _is_special(text)) or _is_too_fine(number, text):
        raise _not_a_number(text)
    return number


def _is_special(text: str) -> bool:
    return text.strip().lstrip("+-").lower() in {"nan", "inf", "infinity"}


def _is_too_fine(number: Decimal, text: str) -> bool:
    """Tell whether a number has too many decimals; short texts without an exponent cannot have."""
    if len(text) < -_SMALLEST_EXPONENT and "e" not in text and "E" not in text:
        return False
    exponent = number.as_tuple().exponent
    return isinstance(exponent, int) and exponent < _SMALLEST_EXPONENT


def _not_a_number(text: str) -> NotANumberError:
    return NotANumberError(f'invalid input syntax for type numeric: "{text[:_MOST_QUOTED]}"; {_HINT}')
