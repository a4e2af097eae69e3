"""A benchmark that is cut off goes on where it was, and measures nothing twice."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.progress import Progress


def test_a_step_that_is_done_is_not_measured_again(tmp_path: Path) -> None:
    """What was measured before the run was cut off is what the next sitting finds."""
    file = tmp_path / "progress.json"
    Progress(file, {"rows": (1, 2)}).step("1 row", lambda: {"ms": 0.5})

    again = Progress(file, {"rows": (1, 2)})

    assert again.step("1 row", lambda: pytest.fail("measured twice")) == {"ms": 0.5}
    assert again.sittings == 2


def test_another_subject_is_measured_anew(tmp_path: Path) -> None:
    """Figures of another version, plan, machine or day are none of this run."""
    file = tmp_path / "progress.json"
    Progress(file, {"version": "1"}).step("1 row", lambda: 1)

    assert Progress(file, {"version": "2"}).step("1 row", lambda: 2) == 2
    assert Progress(file, {"version": "2"}).sittings == 2


def test_nothing_is_left_of_a_run_that_ended(tmp_path: Path) -> None:
    """The next run begins at the beginning."""
    file = tmp_path / "progress.json"
    progress = Progress(file, {})
    progress.step("1 row", lambda: 1)
    progress.end()

    assert not file.exists()
