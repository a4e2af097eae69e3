"""Fuzzes for a while: `python -m tests.fuzz [SECONDS [TARGET ...]]`, as `make fuzz` does after installing atheris.

Inputs are hypothesis', which shrinks what it finds to the smallest. What takes bytes is then fuzzed for as long again by
coverage, with atheris, which reaches further and shrinks nothing. What is found is printed, and the exit code is not 0.
"""

from __future__ import annotations

import argparse
import math
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.fuzz import ledgers
from tests.fuzz.targets import TARGETS

NAMES = (*TARGETS, "ledgers")
SECONDS = 30.0
LONGEST_BYTES = 4000
LONGEST_SECONDS = 10
"""How long one input may take before that is a finding."""
DONE = re.compile(r"^#(\d+)\s+DONE\s+cov: (\d+) ft: (\d+)", re.MULTILINE)
BABBLE = ("#", "INFO:", "WARNING:", "artifact_prefix=")
"""How lines of libFuzzer's begin that say nothing of what was found."""

# Plain bytes, and those among which the words of a target are as frequent as letters.
rich_bytes = st.one_of(
    st.binary(max_size=200),
    st.lists(st.one_of(st.integers(0xE0, 0xFF), st.integers(0x20, 0x7E), st.integers(0, 255)), max_size=80).map(bytes),
)


@contextmanager
def called(name: str) -> Iterator[tuple[Callable[[Any], None], st.SearchStrategy[Any]]]:
    """What is fuzzed, and with what."""
    if name in TARGETS:
        yield TARGETS[name].call, rich_bytes
    else:
        with ledgers.books() as books:
            yield books, ledgers.strategy


def at_random(name: str, seconds: float) -> str:
    """Try inputs for so many seconds, each time other ones; return what there is to say. Raises what an input raises."""
    end = time.monotonic() + seconds
    number = 0
    with called(name) as (call, inputs):

        @settings(
            max_examples=100, deadline=None, database=None, derandomize=False, suppress_health_check=list(HealthCheck)
        )
        @given(inputs)
        def some(one: Any) -> None:
            nonlocal number
            number += 1
            call(one)

        while time.monotonic() < end:
            some()
    return f"{number} inputs at random, nothing found"


def by_coverage(name: str, seconds: float) -> str:
    """Fuzz with atheris, in a process that libFuzzer ends; return what there is to say.

    Raises:
        SystemExit: with the input that was found, and what it led to.
    """
    if not find_spec("atheris"):
        return "not fuzzed by coverage: atheris is not installed (make fuzz does it, where it exists)"
    with tempfile.TemporaryDirectory() as folder:
        corpus, found = Path(folder, "corpus"), Path(folder, "found")
        corpus.mkdir()
        for number, seed in enumerate(TARGETS[name].seeds):
            (corpus / str(number)).write_bytes(seed)
        options = {
            "max_total_time": math.ceil(seconds), "max_len": LONGEST_BYTES, "timeout": LONGEST_SECONDS,
            "exact_artifact_path": found,
        }  # fmt: skip
        done = subprocess.run(
            [sys.executable, "-m", "tests.fuzz.coverage", name, *(f"-{key}={options[key]}" for key in options), corpus],
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace", check=False,
        )  # fmt: skip
        end = DONE.search(done.stdout)
        if done.returncode or not end:
            told = "\n".join(line for line in done.stdout.splitlines() if not line.startswith(BABBLE))
            sys.exit(f"{name}: {told}\nthe input: {found.read_bytes() if found.exists() else b''!r}")
    inputs, counters, features = end.groups()
    return f"{inputs} inputs by coverage, {counters} counters, {features} features, nothing found"


def arguments() -> argparse.Namespace:
    """What is asked for on the command line."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description="Fuzz what takes input from outside.")
    parser.add_argument(
        "seconds",
        nargs="?",
        type=duration,
        default=SECONDS,
        help="for how long, each target and each way (default: 30)",
    )
    parser.add_argument("target", nargs="*", help=f"which of {', '.join(NAMES)} (default: all)")
    given = parser.parse_args()
    unknown = [name for name in given.target if name not in NAMES]
    if unknown:
        parser.error(f"there is no target {', '.join(unknown)}; there are {', '.join(NAMES)}")
    return given


def duration(text: str) -> float:
    """Return seconds as given on the command line."""
    with suppress(ValueError):
        if 0 < float(text) < math.inf:
            return float(text)
    raise argparse.ArgumentTypeError("must be a number above 0")


def main() -> None:
    """Fuzz what is asked for, or everything."""
    asked = arguments()
    for name in asked.target or NAMES:
        for way in (at_random, by_coverage) if name in TARGETS else (at_random,):
            sys.stdout.write(f"{name}: {way(name, asked.seconds)}\n")
            sys.stdout.flush()


if __name__ == "__main__":
    main()
