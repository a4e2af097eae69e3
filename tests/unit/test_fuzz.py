"""`make fuzz`: what can be asked of it, and that it really fuzzes, at random and by coverage."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from tests.fuzz.__main__ import main

ROOT = Path(__file__).parents[2]
TARGETS = ("requests", "web-configuration", "configuration", "ledgers")
WRONG = 2


def fuzz(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the fuzzer."""
    command = [sys.executable, "-m", "tests.fuzz", *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


def has_atheris() -> bool:
    """Tell whether atheris exists for this Python and machine, and so is locked for them."""
    lines = re.findall(r"^[^ #]+ ; .*(?= \\$)", (ROOT / "requirements-fuzz.txt").read_text(), re.MULTILINE)
    markers = [Requirement(line).marker for line in lines]
    assert markers
    return any(marker is None or marker.evaluate() for marker in markers)


def test_help_names_every_target() -> None:
    done = fuzz("--help")

    assert (done.returncode, done.stderr) == (0, "")
    assert [name for name in TARGETS if name not in done.stdout] == []


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["soon"], "argument seconds: must be a number above 0"),
        (["-1"], "argument seconds: must be a number above 0"),
        (["nan"], "argument seconds: must be a number above 0"),
        (["1", "everything"], f"there is no target everything; there are {', '.join(TARGETS)}"),
        (["--atheris"], "unrecognized arguments: --atheris"),
    ],
)
def test_what_cannot_be_asked_is_told(
    arguments: list[str], said: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["fuzz", *arguments])
    with pytest.raises(SystemExit) as ended:
        main()

    assert ended.value.code == WRONG
    assert capsys.readouterr().err.splitlines()[-1].endswith(f": error: {said}")


@pytest.mark.tools
@pytest.mark.parametrize("target", TARGETS[:-1])
def test_it_fuzzes_at_random_and_by_coverage(target: str) -> None:
    """By coverage where atheris exists; there its inputs reach code of ours, that of the examples at the least."""
    done = fuzz("1", target)
    assert done.returncode == 0, done.stderr
    at_random, by_coverage = done.stdout.splitlines()

    assert re.fullmatch(rf"{target}: [1-9]\d+ inputs at random, nothing found", at_random)
    if has_atheris():
        found = re.fullmatch(
            rf"{target}: \d+ inputs by coverage, (\d+) counters, \d+ features, nothing found", by_coverage
        )
        assert found, by_coverage
        assert int(found[1]) > 20
    else:
        assert "atheris is not installed" in by_coverage
