"""What a report means for whoever asked by exit code, and how it is written."""

from __future__ import annotations

import json

import click
import pytest

from exporter.check import output
from exporter.check.findings import Finding, Report, Section, error, note, ok, warning

GOOD, NOTABLE = ok("all is well"), note("good to know")
DOUBTFUL = warning("the role may write", "ledgers.cost.relation", "use another", ["REVOKE INSERT ON a FROM b;"])
WRONG = error("there is no relation x", "ledgers.cost.relation", "name another")


def report(*findings: Finding) -> Report:
    return Report("ledger-exporter.yml", deep=True, sections=[Section("Ledger cost", findings)])


@pytest.mark.parametrize(
    ("findings", "code", "strictly"),
    [
        ([], 0, 0),
        ([GOOD, NOTABLE], 0, 0),
        ([GOOD, DOUBTFUL], 0, 1),
        ([DOUBTFUL, WRONG], 2, 2),
    ],
)
def test_errors_are_2_and_warnings_1_for_the_strict(findings: list[Finding], code: int, strictly: int) -> None:
    assert code == report(*findings).exit_code(strict=False)
    assert strictly == report(*findings).exit_code(strict=True)


def test_text_says_where_what_to_do_and_by_which_statement() -> None:
    assert click.unstyle(output.as_text(report(GOOD, DOUBTFUL), wrap=False)) == (
        "Ledger cost\n"
        "  ok       all is well\n"
        "  warning  ledgers.cost.relation: the role may write\n"
        "           -> use another\n"
        "              REVOKE INSERT ON a FROM b;\n"
        "\n"
        "0 errors, 1 warning."
    )


def test_text_is_wrapped_for_a_terminal_but_statements_are_not(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is to be copied stays on one line."""
    monkeypatch.setenv("COLUMNS", "60")
    statement = "CREATE INDEX CONCURRENTLY ON public.cost_ledger ((booked_at AT TIME ZONE 'UTC'));"
    lines = click.unstyle(
        output.as_text(report(warning("word " * 40, "key", "do", [statement])), wrap=True)
    ).splitlines()

    assert max(len(line) for line in lines if statement not in line) <= 60
    assert [line.strip() for line in lines if "CREATE" in line] == [statement]


def test_severities_are_coloured() -> None:
    text = output.as_text(report(WRONG), wrap=False)

    assert click.style("error  ", fg="red") in text


def test_json_has_every_finding_with_its_place() -> None:
    found = json.loads(output.as_json(report(GOOD, WRONG), 2))

    assert (found["exit_code"], found["errors"], found["warnings"], found["deep"]) == (2, 1, 0, True)
    assert found["sections"][0]["findings"][1] == {
        "severity": "error",
        "message": "there is no relation x",
        "key": "ledgers.cost.relation",
        "remedy": "name another",
        "statements": [],
    }
    assert "estimate" not in found
