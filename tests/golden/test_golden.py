"""The whole exposition of a fixed ledger at a fixed time: its diff is the review of the public interface.

After a change that is meant: `UPDATE_GOLDEN=1 pytest tests/golden`, then read the diff.
"""

from __future__ import annotations

import os
import re
import subprocess

import pytest

from exporter import views
from tests.golden import golden
from tests.support.tools import tool


@pytest.mark.both_servers
def test_the_exposition_is_what_was_agreed(database: str) -> None:
    """Byte for byte, and the same on every version of PostgreSQL."""
    found = golden.normalised(golden.exposition(database))
    if "UPDATE_GOLDEN" in os.environ:
        golden.EXPOSITION.write_text(found)

    assert found == golden.EXPOSITION.read_text()


def test_every_metric_is_in_it() -> None:
    """A golden file that leaves one out would not notice its change."""
    families = set(re.findall(r"^# TYPE (\w+) ", golden.EXPOSITION.read_text(), re.MULTILINE))

    assert families == {metric.name for metric in views.METRICS}


def test_only_what_is_measured_is_left_open() -> None:
    text = golden.EXPOSITION.read_text()

    assert set(re.findall(r"^(\w+).*<", text, re.MULTILINE)) == {
        "ledger_refresh_duration_seconds", "ledger_exporter_build_info",
    }  # fmt: skip


@pytest.mark.tools
def test_promtool_has_nothing_to_say(database: str) -> None:
    checked = subprocess.run(
        [tool("promtool"), "check", "metrics"],
        input=golden.exposition(database).encode(), capture_output=True, check=False,
    )  # fmt: skip

    assert (checked.returncode, checked.stdout, checked.stderr) == (0, b"", b"")
