"""Database time from the lines of a server's log."""

from __future__ import annotations

import pytest

from bench.statements import ServerLog, Statement, by_marks, by_rests, parse

LOG = """\
1700000000.500 peer LOG:  duration: 200.000 ms
1700000000.600 peer LOG:  duration: 0.250 ms
1700000000.601 platform LOG:  checkpoint starting: time
1700000000.700 peer LOG:  temporary file: path "base/pgsql_tmp/pgsql_tmp1.0", size 4096
1700000001.000 other LOG:  duration: 1.000 ms
1700000001.100 other LOG:  statement: begin isolation level repeatable read, read only
1700000001.200 other LOG:  execute <unnamed>: select 1
	from cost_ledger
1700000001.300 other LOG:  checkpoint complete: wrote 3 buffers
not a line of the server
"""


def test_reads_durations_temporary_files_and_statements_by_role() -> None:
    expected = [
        Statement("peer", 1700000000.5, ms=200.0),
        Statement("peer", 1700000000.6, ms=0.25),
        Statement("peer", 1700000000.7, temporary_bytes=4096),
        Statement("other", 1700000001.0, ms=1.0),
        Statement("other", 1700000001.1, is_execution=True),
        Statement("other", 1700000001.2, is_execution=True),
    ]

    assert expected == parse(LOG.splitlines())


def test_a_refresh_is_what_lies_between_two_rests() -> None:
    first, second = by_rests([Statement("p", 10.0, 900), Statement("p", 10.3, 200), Statement("p", 12.0, 100)], 0.4)

    assert (first.began, first.ended, first.ms) == (9.1, 10.3, 1100)
    assert second.ms == 100
    assert second.span_seconds == pytest.approx(0.1)


def test_a_long_statement_is_no_rest_though_nothing_is_logged_while_it_runs() -> None:
    assert len(by_rests([Statement("p", 10.0, 10), Statement("p", 25.0, 15_000)], 0.4)) == 1


def test_only_what_is_executed_counts_as_a_statement() -> None:
    parse_step, execute_step = Statement("p", 10.0, 10), Statement("p", 10.0, 10)
    execution, file = Statement("p", 10.0, is_execution=True), Statement("p", 10.0, temporary_bytes=7)
    (work,) = by_rests([parse_step, execution, execute_step, file], 0.4)

    assert (work.statements, work.temporary_bytes) == (1, 7)


def test_marks_divide_refreshes_that_follow_each_other_without_a_rest() -> None:
    statements = [Statement("p", 1.0, 99), Statement("p", 2.0, 5), Statement("p", 2.5, 6), Statement("p", 4.0, 99)]

    assert [work.ms for work in by_marks(statements, [1.0, 2.0, 3.0, 3.5])] == [5, 6, 0]


def test_reads_a_log_from_a_position_on_for_one_role(tmp_path) -> None:
    path = tmp_path / "postgres.log"
    path.write_text(LOG)
    log = ServerLog(path)
    position = log.position()
    with path.open("a") as more:
        more.write("1700000009.000 peer LOG:  duration: 3.000 ms\n1700000009.000 other LOG:  duration: 4.000 ms\n")

    assert [statement.ms for statement in log.since(position, "peer")] == [3.0]


def test_the_log_goes_on_in_another_file_where_the_server_starts_again(tmp_path) -> None:
    first, second = tmp_path / "postgres.log", tmp_path / "postgres-2.log"
    first.write_text(LOG)
    log = ServerLog(first)
    position = log.position()
    with first.open("a") as more:
        more.write("1700000009.000 peer LOG:  duration: 3.000 ms\n")
    second.write_text("1700000019.000 peer LOG:  duration: 5.000 ms\n")
    log.continue_in(second)

    assert [statement.ms for statement in log.since(position, "peer")] == [3.0, 5.0]
    position = log.position()
    with second.open("a") as more:
        more.write("1700000029.000 peer LOG:  duration: 7.000 ms\n")
    assert [statement.ms for statement in log.since(position, "peer")] == [7.0]
