"""The configuration on its own: every mistake has its place, and nothing connects."""

from __future__ import annotations

import os
import shlex
import subprocess
from pathlib import Path

import pytest

from exporter.check import configuration
from exporter.check.findings import Finding, Severity
from tests.support.certificates import Authority

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
        assert found.statements == [f"chmod 600 {shlex.quote(str(path))}"]
        assert "s3cret" not in str(found)

    def test_one_in_a_file_of_our_own_is_not(self, path: Path) -> None:
        findings(path, self.IN_FILE)
        path.chmod(0o600)

        assert len(configuration.check(path, {})[1].findings) == 1

    @pytest.mark.parametrize("key", ["password_file", "dsn_file"])
    def test_one_in_a_file_of_its_own_is_judged_alike(self, path: Path, tmp_path: Path, key: str) -> None:
        """What the warning says to do ends it."""
        secret, dsn = tmp_path / "a secret", "postgresql://reader:s3cret@127.0.0.1:1/platform"
        secret.write_text("s3cret" if key == "password_file" else dsn)
        secret.chmod(0o644)
        source = {"password_file": f"{{dsn: host=h, password_file: {secret}}}", "dsn_file": f"{{dsn_file: {secret}}}"}
        path.write_text(f"sources: {{main: {source[key]}}}\n{LEDGERS}")
        _, found = configuration.check(path, {})[1].findings
        assert (found.severity, found.key) == (Severity.WARNING, f"sources.main.{key}")
        (statement,) = found.statements
        subprocess.run(["/bin/sh", "-c", statement], check=True)

        assert len(configuration.check(path, {})[1].findings) == 1

    def test_a_group_may_read_what_is_roots(self, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """So are the secrets that Kubernetes mounts, and for a group only; what is one's own is nobody else's."""
        findings(path, self.IN_FILE)
        path.chmod(0o640)
        found = path.stat()
        by_owner = []
        for owner in (0, 1000):
            owned = os.stat_result([*found[:4], owner, *found[5:10]])
            monkeypatch.setattr(Path, "stat", lambda *_, owned=owned, **__: owned)
            by_owner.append(len(configuration.check(path, {})[1].findings))

        assert by_owner == [1, 2]

    def test_one_from_the_environment_is_not(self, path: Path) -> None:
        text = GOOD.replace('dsn: "postgresql://reader@127.0.0.1:1/platform"', "dsn_env: DSN")

        assert len(findings(path, text, {"DSN": "postgresql://reader:s3cret@127.0.0.1/platform"})) == 1


class TestWeb:
    """The configuration of the web server is read as `serve` reads it, certificates included."""

    HASH = "$2y$10$" + "a" * 53

    def test_a_good_one_is_outlined(self, tmp_path: Path) -> None:
        pair = Authority(tmp_path).server()
        web = tmp_path / "web.yml"
        web.write_text(
            f"tls_server_config: {{cert_file: {pair.cert.name}, key_file: {pair.key.name}}}\n"
            f"basic_auth_users: {{prometheus: {self.HASH}}}\n"
        )
        section = configuration.check_web(web)

        assert section.title == f"Web configuration {web}"
        assert [(each.severity, each.message) for each in section.findings] == [
            (Severity.OK, "TLS, 1 user with a password")
        ]

    def test_every_mistake_is_an_error_with_its_key_and_line(self, tmp_path: Path) -> None:
        """No value is repeated: it might be a secret."""
        web = tmp_path / "web.yml"
        web.write_text("basic_auth_users:\n  prometheus: s3cret\ntls_server_confg: {}\n")
        found = configuration.check_web(web).findings

        assert [(each.severity, each.key) for each in found] == [
            (Severity.ERROR, "basic_auth_users.prometheus"), (Severity.ERROR, "tls_server_confg"),
        ]  # fmt: skip
        assert [each.message.partition(":")[0] for each in found] == ["line 2", "line 3"]
        assert all("docs/web-configuration.md" in each.remedy for each in found)
        assert "s3cret" not in str(found)

    def test_a_certificate_that_is_not_there_is_an_error(self, tmp_path: Path) -> None:
        web = tmp_path / "web.yml"
        web.write_text("\ntls_server_config: {cert_file: none.crt, key_file: none.key}\n")
        (found,) = configuration.check_web(web).findings

        assert (found.severity, found.key) == (Severity.ERROR, "tls_server_config.cert_file")
        assert found.message.startswith("line 2: ")

    def test_a_file_that_is_not_there_is_an_error(self, tmp_path: Path) -> None:
        (found,) = configuration.check_web(tmp_path / "web.yml").findings

        assert (found.key, found.message) == (str(tmp_path / "web.yml"), "cannot be read: No such file or directory")
