"""promtool accepts every rule, every one of the rules' own tests passes, and what the runbooks tell to ask can be asked."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import psycopg
import pytest
import yaml

from tests.rules import PROMETHEUS, ROOT, RULE_FILES, TEST_FILES

RUNBOOKS = sorted((ROOT / "docs" / "runbooks").glob("*.md"))


def blocks(page: Path, language: str) -> list[str]:
    """The fenced blocks of a page in a language."""
    return re.findall(rf"^```{language}\n(.*?)^```$", page.read_text(), re.MULTILINE | re.DOTALL)


def promtool(*arguments: str | Path) -> tuple[int, str]:
    """Its exit code, and all it says."""
    ended = subprocess.run(
        ["promtool", *arguments], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
    )
    return ended.returncode, ended.stdout


def test_promtool_accepts_every_rule() -> None:
    """Linting included: no rule is there twice."""
    code, output = promtool("check", "rules", "--lint=all", "--lint-fatal", *RULE_FILES)

    assert code == 0, output
    assert output.count("SUCCESS") == len(RULE_FILES)


@pytest.mark.parametrize("file", TEST_FILES, ids=lambda file: file.stem)
def test_alerts_fire_when_and_only_when_they_ought_to(file: Path) -> None:
    code, output = promtool("test", "rules", file)

    assert code == 0, output


def test_they_would_fail_if_an_alert_were_different(tmp_path: Path) -> None:
    """A check that cannot fail is none."""
    shutil.copytree(PROMETHEUS / "rules", tmp_path / "rules")
    shutil.copytree(PROMETHEUS / "tests", tmp_path / "tests")
    rules = tmp_path / "rules" / "allocation.yml"
    rules.write_text(rules.read_text().replace("for: 30m", "for: 29m"))

    assert promtool("test", "rules", tmp_path / "tests" / "allocation.yml")[0] == 1


def test_amtool_accepts_the_example() -> None:
    """With a webhook, e-mail and Slack."""
    ended = subprocess.run(
        ["amtool", "check-config", PROMETHEUS / "alertmanager.example.yml"], capture_output=True, text=True, check=False
    )

    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert "3 receivers" in ended.stdout


def test_promtool_accepts_every_query_of_the_runbooks(tmp_path: Path) -> None:
    queries = [query for page in RUNBOOKS for query in blocks(page, "promql")]
    rules = [{"record": f"runbook:query:{number}", "expr": query} for number, query in enumerate(queries)]
    file = tmp_path / "queries.yml"
    file.write_text(yaml.safe_dump({"groups": [{"name": "runbooks", "rules": rules}]}))

    code, output = promtool("check", "rules", file)

    assert queries
    assert code == 0, output


def test_postgresql_accepts_every_query_of_the_runbooks(database: str) -> None:
    queries = [query for page in RUNBOOKS for query in blocks(page, "sql")]
    with psycopg.connect(database, autocommit=True) as connection:
        for query in queries:
            connection.execute(query.encode())

    assert queries
