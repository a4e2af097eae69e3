"""What can go wrong in a benchmark."""

from __future__ import annotations


class BenchError(Exception):
    """The benchmark cannot go on; the message says why and what to do about it."""
