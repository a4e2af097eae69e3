"""Whatever goes wrong in asking a database becomes a problem in words."""

from __future__ import annotations

import logging
from typing import NoReturn

import pytest

from exporter.errors import SourceError, Stopped
from exporter.reading.attempts import Attempts, Problem


class Broken:
    """A reader that is told to begin anew."""

    times = 0

    def forget(self) -> None:
        self.times += 1


def fail(error: Exception) -> NoReturn:
    raise error


def test_a_success_is_handed_on() -> None:
    assert Attempts("main").run("failed", (), lambda: 5) == 5


def test_what_the_database_says_is_a_problem_and_readers_go_on(caplog: pytest.LogCaptureFixture) -> None:
    reader = Broken()

    found = Attempts("main").run("failed", [reader], lambda: fail(SourceError("no such table")))  # type: ignore[list-item]
    assert (found, reader.times, caplog.records) == (Problem("no such table"), 0, [])


def test_a_bug_is_told_with_its_traceback_at_growing_intervals_and_readers_begin_anew(
    caplog: pytest.LogCaptureFixture,
) -> None:
    attempts, reader = Attempts("main"), Broken()
    for _ in range(9):
        found = attempts.run("failed", [reader], lambda: fail(KeyError("x")), ledger="cost")  # type: ignore[list-item]

    assert found == Problem("source main: unexpected KeyError", foreseen=False)
    assert reader.times == 9
    assert [(record.levelname, record.message, bool(record.exc_info)) for record in caplog.records] == [
        ("ERROR", "failed", True)
    ] * 4
    assert {(vars(record)["ledger"], vars(record)["source"]) for record in caplog.records} == {("cost", "main")}


def test_the_end_of_the_program_is_no_problem() -> None:
    with pytest.raises(Stopped):
        Attempts("main").run("failed", (), lambda: fail(Stopped("the program ends")))


def test_a_problem_is_logged_at_growing_intervals_until_it_is_over(caplog: pytest.LogCaptureFixture) -> None:
    attempts, problem = Attempts("main"), Problem("timeout")
    for _ in range(3):
        attempts.log(logging.WARNING, "failed", problem, ledger="cost")
    attempts.succeed("failed", ledger="cost")
    attempts.log(logging.WARNING, "failed", problem, ledger="cost")
    attempts.log(logging.WARNING, "failed", Problem("a bug, which is told already", foreseen=False))

    assert [vars(record)["error"] for record in caplog.records] == ["timeout"] * 3
