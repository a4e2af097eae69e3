"""Fuzzes one target by coverage: `python -m tests.fuzz.coverage TARGET [LIBFUZZER_OPTION|FOLDER ...]`.

Only the exporter's own code is instrumented, while it is imported. libFuzzer ends the process: with 0 where it found nothing.
"""

from __future__ import annotations

import sys

import atheris

with atheris.instrument_imports(include=["exporter"]):
    from tests.fuzz.targets import TARGETS

if __name__ == "__main__":
    name, *options = sys.argv[1:]
    atheris.Setup([name, *options], TARGETS[name].call)
    atheris.Fuzz()
