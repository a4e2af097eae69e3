"""Fuzzes for a while: `python -m tests.fuzz [SECONDS_EACH [TARGET ...]]`, as `make fuzz` does.

Inputs are hypothesis', which shrinks what it finds to the smallest. Where atheris is installed, what takes bytes is also
fuzzed by coverage (`--atheris`), one target a process; it exists for few versions of Python, so it is installed by hand.
What is found is printed, and the exit code says that there was something.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.fuzz import configuration, ledgers, web

Target = Callable[[Any], None]
BYTES = {"requests": web.requests, "web-configuration": web.configuration, "configuration": configuration.configuration}
TARGETS = (*BYTES, "ledgers")
SECONDS_EACH = 30.0

# Plain bytes, and those among which the words of a target are as frequent as letters.
rich_bytes = st.one_of(
    st.binary(max_size=200),
    st.lists(st.one_of(st.integers(0xE0, 0xFF), st.integers(0x20, 0x7E), st.integers(0, 255)), max_size=80).map(bytes),
)


@contextmanager
def target(name: str) -> Iterator[tuple[Target, st.SearchStrategy[Any]]]:
    """What is fuzzed, and with what."""
    if name in BYTES:
        yield BYTES[name], rich_bytes
    else:
        with ledgers.books() as books:
            yield books, ledgers.strategy


def fuzz(tried: Target, inputs: st.SearchStrategy[Any], seconds: float) -> int:
    """Try inputs for so many seconds, each time other ones; return how many. Raises what an input raises."""
    end = time.monotonic() + seconds
    number = 0

    @settings(
        max_examples=100, deadline=None, database=None, derandomize=False, suppress_health_check=list(HealthCheck)
    )
    @given(inputs)
    def some(one: Any) -> None:
        nonlocal number
        number += 1
        tried(one)

    while time.monotonic() < end:
        some()
    return number


def by_coverage(name: str, seconds: float) -> None:
    """Fuzz one target with atheris, which ends the process itself."""
    import atheris  # noqa: PLC0415 - it is not installed everywhere

    atheris.instrument_all()
    atheris.Setup([sys.argv[0], f"-max_total_time={seconds:.0f}", "-max_len=2000"], BYTES[name])
    atheris.Fuzz()


def main(arguments: list[str]) -> None:
    """Fuzz what is named, or everything."""
    coverage = "--atheris" in arguments
    words = [word for word in arguments if word != "--atheris"]
    seconds = float(words[0]) if words else SECONDS_EACH
    names = words[1:] or list(TARGETS)
    if coverage:
        by_coverage(names[0], seconds)
        return
    for name in names:
        with target(name) as (tried, inputs):
            sys.stdout.write(f"{name}: {fuzz(tried, inputs, seconds)} inputs, nothing found\n")
            sys.stdout.flush()


if __name__ == "__main__":
    main(sys.argv[1:])
