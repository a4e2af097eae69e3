"""Commands ask an exporter that demands TLS and a password: with a file of credentials they are let in, without one not."""

from __future__ import annotations

import base64
import json
import ssl
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import bcrypt
import pytest

from tests.support.certificates import Authority
from tests.support.commands import run
from tests.support.exporter_process import Exporter, eventually
from tests.support.ledgers import configure

PASSWORD = "open-sesame-4711"  # noqa: S105 - a test's
LOADED = 'ledger_charged_tasks{window="all"}'
HASH = bcrypt.hashpw(PASSWORD.encode(), bcrypt.gensalt(4)).decode()


@dataclass(frozen=True)
class Secured:
    """An exporter, its configuration, and the files that a client needs."""

    config: Path
    url: str
    credentials: Path


@pytest.fixture(scope="module")
def secured(shared_dsn: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Secured]:
    """An exporter with TLS and a password that has loaded its ledgers."""
    folder = tmp_path_factory.mktemp("secured")
    config = configure(folder / "ledger-exporter.yml", shared_dsn)
    pair, authority = (made := Authority(folder)).server(), made.cert
    web = folder / "web.yml"
    web.write_text(
        f"tls_server_config: {{cert_file: {pair.cert}, key_file: {pair.key}}}\n"
        f"basic_auth_users: {{prometheus: '{HASH}'}}\n"
    )
    (folder / "password").write_text(f"{PASSWORD}\n")
    credentials = folder / "client.yml"
    credentials.write_text(
        "basic_auth: {username: prometheus, password_file: password}\n"
        f"tls_config: {{ca_file: {authority.name}}}\n"  # beside the file, wherever the command is given
    )
    with Exporter(config, f"--web.config.file={web}") as exporter:
        url = f"https://{exporter.address}"
        eventually(lambda: LOADED in scraped(f"{url}/metrics", authority), "the ledgers are not loaded")
        yield Secured(config, url, credentials)


def scraped(url: str, authority: Path) -> str:
    """What a client with the password is shown."""
    password = base64.b64encode(f"prometheus:{PASSWORD}".encode()).decode()
    request = urllib.request.Request(url, headers={"Authorization": f"Basic {password}"})  # noqa: S310 - our own
    with urllib.request.urlopen(request, context=ssl.create_default_context(cafile=authority)) as page:  # noqa: S310
        text: str = page.read().decode()
    return text


def test_report_is_let_in(secured: Secured) -> None:
    done = run("report", f"--from-url={secured.url}", f"--http.config.file={secured.credentials}", "--output=json")

    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads(done.stdout)["utilization"]["spend_usd"] > 0


def test_reconcile_is_let_in(secured: Secured) -> None:
    """Told by its own variable."""
    variable = {"LEDGER_EXPORTER_RECONCILE_HTTP_CONFIG_FILE": str(secured.credentials)}
    done = run(
        "reconcile", f"--config.file={secured.config}", f"--url={secured.url}", "--output=json", environment=variable
    )

    assert (done.returncode, done.stderr) == (0, "")
    assert [one["of"] for one in json.loads(done.stdout)["comparisons"]][1] == f"{secured.url}/metrics"


@pytest.mark.parametrize(
    "arguments", [["report", "--from-url={url}"], ["reconcile", "--config.file={config}", "--url={url}"]]
)
def test_without_a_password_nobody_is(secured: Secured, tmp_path: Path, arguments: list[str]) -> None:
    """Not even with the credentials of another command."""
    stranger = tmp_path / "client.yml"
    stranger.write_text(f"tls_config: {{ca_file: {secured.credentials.parent / 'authority.pem'}}}\n")
    given = [argument.format(url=secured.url, config=secured.config) for argument in arguments]
    variable = {"LEDGER_EXPORTER_BACKFILL_HTTP_CONFIG_FILE": str(secured.credentials)}
    untrusting = run(*given, environment=variable)
    unknown = run(*given, f"--http.config.file={stranger}", environment=variable)

    assert [untrusting.returncode, unknown.returncode] == [1, 1]
    assert "certificate verify failed" in untrusting.stderr
    assert f"{secured.url}/metrics answers 401" in unknown.stderr
