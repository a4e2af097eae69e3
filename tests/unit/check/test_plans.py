"""Every query there is gets planned, and the index that is missing is told to the letter."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from importlib import resources

import pytest

from exporter import config_file
from exporter.check import indexes, memory, plans
from exporter.check.memory import Memory
from exporter.config import LEDGERS, LedgerName
from exporter.ledgers import inspection
from exporter.ledgers.ledger import Abilities
from exporter.ledgers.question import Question
from tests.support.exporter_process import ROOT

SMALLEST = """
sources: {main: {dsn: "postgresql:///platform"}}
ledgers: {cost: {source: main}, impact: {source: main}, budget: {source: main}}
"""
QUESTION = Question(datetime(2026, 4, 10, 12, tzinfo=UTC))
ABLE = Abilities(identity=True, snapshots=True, ids=True, rows=0, indexed=True, updates_indexed=True)
NOT_ASKED = {"rows", "mapped"}
"""What is a part of other questions."""
ASKED_OTHERWISE = {"counts", "id_type", "kind", "no_seqscan", "plan", "probe", "rewritten", "size"}
"""What is asked when a ledger is probed, is a part of other questions, or is asked of every transaction."""


def _files(folder: str) -> set[str]:
    sql = resources.files("exporter.ledgers").joinpath(f"sql/{folder}")
    return {file.name.removesuffix(".sql") for file in sql.iterdir()}


def _asked(ledger: LedgerName) -> set[str]:
    config = config_file.parse(SMALLEST)
    return {each.name for each in plans.questions(plans.ledger_of(config, ledger), config, QUESTION, ABLE)}


@pytest.mark.parametrize("ledger", LEDGERS)
def test_every_question_of_a_ledger_is_planned(ledger: LedgerName) -> None:
    """A new file in `sql/` is a new query to be checked."""
    own = {name.partition("/")[2] for name in _asked(ledger) if name.startswith(f"{ledger}/")}

    assert _files(ledger) - NOT_ASKED == own


def test_every_question_of_ranges_is_planned() -> None:
    asked = {name.partition("/")[2] for ledger in LEDGERS for name in _asked(ledger) if name.startswith("questions/")}

    assert _files("questions") - ASKED_OTHERWISE == asked


@pytest.mark.parametrize("ledger", LEDGERS)
def test_casts_are_those_of_the_query_that_reads_rows(ledger: LedgerName) -> None:
    """Each reference column has one, of the types that are known here, or none."""
    casts = inspection.casts(ledger)

    assert casts.keys() == config_file.parse(SMALLEST).ledgers[ledger].expressions.keys()
    assert set(casts.values()) <= {"", "::text", "::numeric", "::timestamptz", "::float8", "::date"}


@pytest.mark.parametrize(
    ("expression", "indexed"),
    [
        ("created_at", "(created_at)"),
        ('"Booked At"', '("Booked At")'),
        ("to_timestamp(ms / 1000.0)", "((to_timestamp(ms / 1000.0)))"),
        ("booked_at at time zone 'UTC'", "((booked_at at time zone 'UTC'))"),
    ],
)
def test_expressions_are_indexed_in_parentheses(expression: str, indexed: str) -> None:
    assert indexes.statements("public.charges", expression) == [
        f"CREATE INDEX CONCURRENTLY ON public.charges {indexed};"
    ]


def test_a_partitioned_table_is_indexed_partition_by_partition() -> None:
    """PostgreSQL cannot do it CONCURRENTLY as a whole."""
    assert indexes.statements("public.charges", "at", ["public.charges_1", "public.charges_2"]) == [
        "CREATE INDEX CONCURRENTLY ON public.charges_1 (at);",
        "CREATE INDEX CONCURRENTLY ON public.charges_2 (at);",
        "CREATE INDEX ON public.charges (at);",
    ]


def test_memory_grows_with_series_tasks_and_rows() -> None:
    small = Memory(series=300, tasks=1_000, task_sums=100, rows=10_000).megabytes

    assert 60 <= small <= 70
    assert Memory(series=300, tasks=1_001_000, task_sums=100, rows=10_000).megabytes > small + 30
    assert Memory(series=10_300, tasks=1_000, task_sums=100, rows=10_000).megabytes > small + 10
    assert Memory(series=300, tasks=1_000, task_sums=100_100, rows=10_000).megabytes > small + 40


def test_memory_formula_is_documented() -> None:
    """Each figure of the formula stands on the page, as it is in the code."""
    page = (ROOT / "docs" / "check.md").read_text()
    rows = dict(re.findall(r"^\| ([\w ,]+) \| ([\d,.]+) (?:MB|kB|bytes?) \|$", page, re.MULTILINE))

    assert rows == {
        "the program": f"{memory.BASE_MB:g}",
        "a series": f"{memory.SERIES_KB:g}",
        "a task": f"{memory.TASK_BYTES:g}",
        "a sum of a single task": f"{memory.TASK_SUM_KB:g}",
        "a row": f"{memory.ROW_BYTES:g}",
    }
