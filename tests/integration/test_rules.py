"""promtool accepts every rule, every one of the rules' own tests passes, and what the runbooks tell to ask can be asked."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import psycopg
import pytest
import yaml

from tests.support import rules
from tests.support.promtool import promtool
from tests.support.rules import PROMETHEUS, ROOT, RULE_FILES, TEST_FILES
from tests.support.tools import tool

RUNBOOKS = sorted((ROOT / "docs" / "runbooks").glob("*.md"))


def blocks(page: Path, language: str) -> list[str]:
    """The fenced blocks of a page in a language."""
    return re.findall(rf"^```{language}\n(.*?)^```$", page.read_text(), re.MULTILINE | re.DOTALL)


@pytest.mark.tools
def test_promtool_accepts_every_rule() -> None:
    """Linting included: no rule is there twice."""
    code, output = promtool("check", "rules", "--lint=all", "--lint-fatal", *RULE_FILES)

    assert code == 0, output
    assert output.count("SUCCESS") == len(RULE_FILES)


@pytest.mark.tools
@pytest.mark.parametrize("file", TEST_FILES, ids=lambda file: file.stem)
def test_alerts_fire_when_and_only_when_they_ought_to(file: Path) -> None:
    code, output = promtool("test", "rules", file)

    assert code == 0, output


def paired(series: str) -> list[str]:
    """A series as each of two exporters side by side has it; one that names its exporter stays as it is."""
    if "instance=" in series:
        return [series]
    name, _, labels = series.rstrip("}").partition("{")
    return [f'{name}{{instance="{instance}"{", " if labels else ""}{labels}}}' for instance in ("a", "b")]


@pytest.mark.tools
@pytest.mark.parametrize("file", TEST_FILES, ids=lambda file: file.stem)
def test_a_pair_of_exporters_alerts_as_one_does(file: Path, tmp_path: Path) -> None:
    """The same figures, labels and texts at the same time, to the last case."""
    tests = yaml.safe_load(file.read_text())
    tests["rule_files"] = [str(file.parent / rule_file) for rule_file in tests["rule_files"]]
    for case in tests["tests"]:
        case["input_series"] = [
            given | {"series": series} for given in case["input_series"] for series in paired(given["series"])
        ]
    pair = tmp_path / "pair.yml"
    pair.write_text(yaml.safe_dump(tests))

    code, output = promtool("test", "rules", pair)

    assert code == 0, output


@pytest.mark.tools
@pytest.mark.parametrize(
    ("expr", "about"), [("vector(1) < 0", ": fires"), ("vector(1)", "healthy platform")], ids=["never", "always"]
)
def test_they_would_fail_if_an_alert_were_broken(expr: str, about: str, tmp_path: Path) -> None:
    """A check that cannot fail is none. All alerts are broken at once, and the tests find each: it never fires, or always."""
    found = set()
    for file in RULE_FILES:
        broken = yaml.safe_load(file.read_text())
        for group in broken["groups"]:
            group["rules"] = [rule | {"expr": expr} if "alert" in rule else rule for rule in group["rules"]]
        (tmp_path / file.name).write_text(yaml.safe_dump(broken))
    for file in TEST_FILES:
        tests = yaml.safe_load(file.read_text())
        tests["rule_files"] = [Path(rule_file).name for rule_file in tests["rule_files"]]
        tests["tests"] = [case for case in tests["tests"] if about in case["name"]]
        if tests["tests"]:
            (tmp_path / f"test-{file.name}").write_text(yaml.safe_dump(tests))
            _, said = promtool("test", "rules", tmp_path / f"test-{file.name}")
            found |= {*re.findall(r"^ +alertname: (\w+), time: ", said, re.MULTILINE)}

    assert {rule.alert for rule in rules.alerts()} - found == set()


@pytest.mark.tools
def test_they_would_fail_if_an_alert_came_a_minute_earlier(tmp_path: Path) -> None:
    shutil.copytree(PROMETHEUS / "rules", tmp_path / "rules")
    shutil.copytree(PROMETHEUS / "tests", tmp_path / "tests")
    broken = tmp_path / "rules" / "allocation.yml"
    broken.write_text(broken.read_text().replace("for: 30m", "for: 29m"))

    assert promtool("test", "rules", tmp_path / "tests" / "allocation.yml")[0] == 1


@pytest.mark.tools
def test_amtool_accepts_the_example() -> None:
    """With a webhook, e-mail and Slack."""
    ended = subprocess.run(
        [tool("amtool"), "check-config", PROMETHEUS / "alertmanager.example.yml"],
        capture_output=True,
        text=True,
        check=False,
    )

    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert "3 receivers" in ended.stdout


@pytest.mark.tools
def test_promtool_accepts_every_query_of_the_runbooks(tmp_path: Path) -> None:
    queries = [query for page in RUNBOOKS for query in blocks(page, "promql")]
    records = [{"record": f"runbook:query:{number}", "expr": query} for number, query in enumerate(queries)]
    file = tmp_path / "queries.yml"
    file.write_text(yaml.safe_dump({"groups": [{"name": "runbooks", "rules": records}]}))

    code, output = promtool("check", "rules", file)

    assert queries
    assert code == 0, output


def test_postgresql_accepts_every_query_of_the_runbooks(database: str) -> None:
    queries = [query for page in RUNBOOKS for query in blocks(page, "sql")]
    with psycopg.connect(database, autocommit=True) as connection:
        for query in queries:
            connection.execute(query.encode())

    assert queries
