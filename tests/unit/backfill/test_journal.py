"""The journal: the same backfill goes on, another one is not mixed with it."""

from __future__ import annotations

from pathlib import Path

import pytest

from exporter.backfill.journal import Done, Journal, JournalError
from exporter.backfill.period import Steps
from tests.support.backfill_sections import MIDNIGHT, section

TASK = {"from": "60d", "labels": {"job": "ledger"}, "url": "http://127.0.0.1/api/v1/write?token=s3cret"}
DONE = Done(Steps(1775800000, 300, 288), 144, 12_345, 100_000, 800)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "history.om.state"


def test_nothing_is_done_at_first(path: Path) -> None:
    assert Journal(path, TASK).read() is None


def test_the_same_backfill_goes_on(path: Path) -> None:
    Journal(path, TASK).note(Done(DONE.steps))
    Journal(path, TASK).note(DONE)

    assert Journal(path, TASK).read() == DONE


def test_what_is_done_adds_up() -> None:
    """Over an interruption too: the samples of all sections, the series of the largest."""
    done = DONE.after(section(MIDNIGHT, MIDNIGHT + 300), 20_000)

    assert done == Done(DONE.steps, 146, 20_000, 100_002, 800)
    assert Done(DONE.steps).after(section(MIDNIGHT), 60) == Done(DONE.steps, 1, 60, 1, 1)


def test_another_one_is_refused(path: Path) -> None:
    Journal(path, TASK).note(DONE)

    with pytest.raises(JournalError, match=r"history\.om\.state is the state of a backfill with other options"):
        Journal(path, {**TASK, "from": "30d"}).read()


@pytest.mark.parametrize("content", ["", "{}", "[]", '{"task": {"from": "60d"', '{"task": 1, "steps": 2}', "\xff"])
def test_what_is_no_journal_is_refused(path: Path, content: str) -> None:
    path.write_text(content, encoding="latin-1")

    with pytest.raises(JournalError):
        Journal(path, TASK).read()


def test_it_tells_nobody_where_the_samples_go(path: Path) -> None:
    """A URL may hold a token."""
    Journal(path, TASK).note(DONE)

    assert "127.0.0.1" not in path.read_text()
    assert "s3cret" not in path.read_text()
    assert path.stat().st_mode & 0o777 == 0o600


def test_it_is_forgotten_at_the_end(path: Path) -> None:
    journal = Journal(path, TASK)
    journal.note(DONE)
    journal.remove()
    journal.remove()

    assert journal.read() is None


def test_where_it_cannot_be_written_is_told(tmp_path: Path) -> None:
    explained = "absent/state cannot be written: No such file or directory; .* with --state.file"
    with pytest.raises(JournalError, match=explained):
        Journal(tmp_path / "absent" / "state", TASK).note(DONE)
