"""The journal: the same backfill goes on, another one is not mixed with it."""

from __future__ import annotations

from pathlib import Path

import pytest

from exporter.backfill.journal import Done, Journal, JournalError
from exporter.ledgers.history import Steps

TASK = {"from": "60d", "labels": {"job": "ledger"}}
DONE = Done(Steps(1775800000, 300, 288), 144, 12_345)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "history.om.state"


def test_nothing_is_done_at_first(path: Path) -> None:
    assert Journal(path, TASK).read() is None


def test_the_same_backfill_goes_on(path: Path) -> None:
    Journal(path, TASK).note(Done(DONE.steps, 0, 0))
    Journal(path, TASK).note(DONE)

    assert Journal(path, TASK).read() == DONE


def test_another_one_is_refused(path: Path) -> None:
    Journal(path, TASK).note(DONE)

    with pytest.raises(JournalError, match=r"history\.om\.state is the state of a backfill with other options"):
        Journal(path, {**TASK, "from": "30d"}).read()


@pytest.mark.parametrize("content", ["", "{}", "[]", '{"task": {"from": "60d"', '{"task": 1, "steps": 2}', "\xff"])
def test_what_is_no_journal_is_refused(path: Path, content: str) -> None:
    path.write_text(content, encoding="latin-1")

    with pytest.raises(JournalError):
        Journal(path, TASK).read()


def test_it_is_forgotten_at_the_end(path: Path) -> None:
    journal = Journal(path, TASK)
    journal.note(DONE)
    journal.remove()
    journal.remove()

    assert journal.read() is None


def test_where_it_cannot_be_written_is_told(tmp_path: Path) -> None:
    with pytest.raises(JournalError, match="absent/state cannot be written: No such file or directory"):
        Journal(tmp_path / "absent" / "state", TASK).note(DONE)
