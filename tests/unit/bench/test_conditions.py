"""Edits that show or do not, the processor's time, and sizes that are chosen."""

from __future__ import annotations

import os

import pytest
from click.testing import CliRunner

from bench import edits, tools
from bench.__main__ import main
from bench.errors import BenchError
from bench.exporters import passes


def test_edits_have_a_median_and_a_longest_time() -> None:
    found = edits.figures([4.0, 10.0, 7.0], 900)

    assert (found["edits"], found["shown"], found["p50_seconds"], found["longest_seconds"]) == (3, 3, 7.0, 10.0)


def test_an_edit_that_does_not_show_counts_with_the_time_it_was_waited_for() -> None:
    found = edits.figures([4.0, None], 900)

    assert (found["edits"], found["shown"], found["longest_seconds"]) == (2, 1, 900)
    assert found["seconds_each"] == [4.0, None]


def test_the_spend_of_all_time_is_what_an_edit_changes() -> None:
    body = b'ledger_provider_spend_usd{provider="a",window="all"} 2\nledger_provider_spend_usd{provider="b",window="all"} 3\n'

    assert edits.spend(body) == 5
    with pytest.raises(BenchError, match="no spend"):
        edits.spend(b"")


def test_the_work_of_a_process_is_known_in_seconds() -> None:
    before = tools.cpu_seconds(os.getpid())
    while tools.cpu_seconds(os.getpid()) == before:
        sum(range(10_000))

    assert 0 < tools.cpu_seconds(os.getpid()) - before < 60


def test_the_work_of_a_process_that_has_ended_is_unknown() -> None:
    with pytest.raises(BenchError, match="has ended"):
        tools.cpu_seconds(2**22 + 1)


def test_a_refresh_that_could_not_read_a_ledger_is_told_apart() -> None:
    line = '{"ts": "1970-01-01T00:01:40Z", "msg": "refreshed", "seconds": 0.25, "cost_up": %s, "impact_up": true}'

    assert [each.up for each in passes([line % "true", line % "false"])] == [True, False]


def test_an_unknown_part_is_refused_with_the_known_ones() -> None:
    done = CliRunner().invoke(main, ["--only", "lateness,speed"])

    assert done.exit_code == 2
    assert "speed is no part; the parts are answers, scrapes, refreshes, conditions, lateness" in done.output
