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
from tests.support.complaints import each
from tests.support.passages import Passage, whole
from tests.support.promtool import promtool
from tests.support.rules import PROMETHEUS, ROOT, RULE_FILES, TEST_FILES, Rule
from tests.support.tools import tool

RUNBOOKS = sorted((ROOT / "docs" / "runbooks").glob("*.md"))


def blocks(language: str) -> list[Passage]:
    """The fenced blocks of the runbooks in a language."""
    pattern = re.compile(rf"^```{language}\n(.*?)^```$", re.MULTILINE | re.DOTALL)
    return [block for page in RUNBOOKS for block in whole(page).find(pattern)]


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


def failures(view: str, expr: str, about: str, folder: Path) -> set[str]:
    """The alerts of a view whose cases fail with another expression; other cases than those named so are left out."""
    alerts = [rule.alert for rule in rules.alerts() if rule.view == view]
    names = tuple(about.format(alert) for alert in alerts)
    broken = rules.load(PROMETHEUS / "rules" / f"{view}.yml")
    for group in broken["groups"]:
        group["rules"] = [rule | {"expr": expr} if "alert" in rule else rule for rule in group["rules"]]
    (folder / "broken.yml").write_text(yaml.safe_dump(broken))
    for file in TEST_FILES:
        tests = rules.load(file)
        tests["tests"] = [case for case in tests["tests"] if case["name"].startswith(names)]
        if tests["rule_files"] == [f"../rules/{view}.yml"] and tests["tests"]:
            (folder / file.name).write_text(yaml.safe_dump(tests | {"rule_files": ["broken.yml"]}))

    _, output = promtool("test", "rules", *folder.glob(f"{view}*.yml"))

    failed = re.findall(r"name: (.*),\n *alertname: (\w+),", output)
    return {alert for case, alert in failed if case.startswith(about.format(alert))}


@pytest.fixture(
    scope="module",
    params=[("vector(1) < 0", "{}: fires"), ("vector(1)", "healthy platform")],
    ids=["never", "always"],
)
def found_out(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> set[str]:
    """The alerts whose own cases fail if all alerts are broken in the same way; none of them reads another."""
    expr, about = request.param
    views = {rule.view for rule in rules.alerts()}
    return {alert for view in views for alert in failures(view, expr, about, tmp_path_factory.mktemp(view))}


@pytest.mark.tools
@each(rules.alerts())
def test_they_would_fail_if_an_alert_were_broken(rule: Rule, found_out: set[str]) -> None:
    """A check that cannot fail is none: one that never fires is found out, and one that always does."""
    assert rule.alert in found_out, "no case fails"


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
    """Each is called by its page and its line."""
    queries = blocks("promql")
    records = [{"record": f"{query.file.stem}:{query.line}", "expr": query.text} for query in queries]
    file = tmp_path / "queries.yml"
    file.write_text(yaml.safe_dump({"groups": [{"name": "runbooks", "rules": records}]}))

    code, output = promtool("check", "rules", file)

    assert queries
    assert code == 0, output


@each(blocks("sql"))
def test_postgresql_accepts_every_query_of_the_runbooks(query: Passage, database: str) -> None:
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute(query.text.encode())
