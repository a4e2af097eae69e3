"""Colours and status lines are for those who look on."""

from __future__ import annotations

import io

import pytest

from exporter import terminal
from tests.support.terminal import Terminal


@pytest.fixture(autouse=True)
def plain_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")


def test_a_terminal_is_coloured_and_a_pipe_is_not() -> None:
    assert terminal.in_colour(Terminal())
    assert not terminal.in_colour(io.StringIO())


@pytest.mark.parametrize(("variable", "value"), [("NO_COLOR", "1"), ("TERM", "dumb")])
def test_who_wants_no_colour_gets_none(monkeypatch: pytest.MonkeyPatch, variable: str, value: str) -> None:
    monkeypatch.setenv(variable, value)

    assert not terminal.in_colour(Terminal())


def test_a_status_takes_the_place_of_the_one_before() -> None:
    stream = Terminal()
    status = terminal.StatusLine(stream)
    status.say("Reading ...")
    status.end()
    status.end()

    assert stream.getvalue() == "\r\033[KReading ...\r\033[K"


def test_where_nobody_looks_on_there_is_no_status() -> None:
    stream = io.StringIO()
    terminal.StatusLine(stream).say("Reading ...")

    assert stream.getvalue() == ""
