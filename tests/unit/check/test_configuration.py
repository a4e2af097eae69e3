"""The configuration on its own: every mistake has its place, and nothing connects."""

from __future__ import annotations

from pathlib import Path

import pytest

from exporter.check import configuration
from exporter.check.findings import Finding, Severity

LEDGERS = "ledgers: {cost: {source: main}, impact: {source: main}, budget: {source: main}}\n"
GOOD = 'sources: {main: {dsn: "postgresql://reader@127.0.0.1:1/platform"}}\n' + LEDGERS


def findings(path: Path, text: str, environment: dict[str, str] | None = None) -> list[Finding]:
    path.write_text(text)
    path.chmod(0o644)
    return list(configuration.check(path, environment or {})[1].findings)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "ledger-exporter.yml"


def test_a_good_configuration_is_outlined(path: Path) -> None:
    """There is no server at that address: nothing asks it."""
    (found,) = findings(path, GOOD)

    assert found.severity is Severity.OK
    assert found.message == (
        "cost from cost_ledger in main; impact from impact_ledger in main; budget from quest_budget_allocations in main"
    )


def test_every_mistake_is_an_error_with_its_key_and_line(path: Path) -> None:
    found = findings(path, GOOD.replace("cost: {source: main}", "cost: {source: maim}") + "refresh: {interval: soon}\n")

    assert [(each.severity, each.key) for each in found] == [
        (Severity.ERROR, "ledgers.cost.source"),
        (Severity.ERROR, "refresh.interval"),
    ]
    assert found[0].message == "line 2: names the source 'maim'; there is main"
    assert all(each.remedy for each in found)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("sources: [", "is not valid YAML"),
        ("just words", "must be a mapping"),
        (GOOD.replace("postgresql://reader@127.0.0.1:1/platform", "hots=here"), "libpq does not know"),
    ],
)
def test_what_has_no_key_is_an_error_too(path: Path, text: str, message: str) -> None:
    (found,) = findings(path, text)

    assert found.severity is Severity.ERROR
    assert found.key
    assert message in found.message


def test_a_file_that_is_not_there_is_an_error(path: Path) -> None:
    config, section = configuration.check(path, {})

    assert config is None
    assert [(each.key, each.message) for each in section.findings] == [
        (str(path), "cannot be read: No such file or directory")
    ]


class TestPasswords:
    IN_FILE = GOOD.replace("reader@", "reader:s3cret@")

    def test_one_in_a_file_that_others_may_read_is_a_warning(self, path: Path) -> None:
        _, found = findings(path, self.IN_FILE)

        assert (found.severity, found.key) == (Severity.WARNING, "sources.main.dsn")
        assert found.statements == [f"chmod 600 {path}"]
        assert "s3cret" not in str(found)

    def test_one_in_a_file_of_our_own_is_not(self, path: Path) -> None:
        findings(path, self.IN_FILE)
        path.chmod(0o600)

        assert len(configuration.check(path, {})[1].findings) == 1

    def test_one_from_the_environment_is_not(self, path: Path) -> None:
        text = GOOD.replace('dsn: "postgresql://reader@127.0.0.1:1/platform"', "dsn_env: DSN")

        assert len(findings(path, text, {"DSN": "postgresql://reader:s3cret@127.0.0.1/platform"})) == 1
