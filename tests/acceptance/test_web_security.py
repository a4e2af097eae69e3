"""Who is let in and who is not, with Prometheus itself as the client; and that no secret is told to anyone."""

from __future__ import annotations

import base64
import contextlib
import http.client
import json
import math
import socket
import ssl
import subprocess
import time
import urllib.request
from datetime import timedelta
from pathlib import Path
from typing import Any

import bcrypt
import pytest
import yaml

from exporter.logs import TALLY_SECONDS
from exporter.web.authentication import FREE_FAILURES, LONGEST_WAIT_SECONDS
from tests.support import postgres
from tests.support.certificates import Authority, Pair
from tests.support.commands import run
from tests.support.exporter_process import DEADLINE_SECONDS, Answer, Exporter, eventually
from tests.support.ledgers import configure
from tests.support.tools import tool

PASSWORD = "open-sesame-4711"  # noqa: S105 - a test's
HASH = bcrypt.hashpw(PASSWORD.encode(), bcrypt.gensalt(10)).decode()
CLIENT = "prometheus.example.org"


def basic(user: str, password: str) -> dict[str, str]:
    """The header that carries a password."""
    return {"Authorization": "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()}


def ask(
    exporter: Exporter, context: ssl.SSLContext | None, path: str = "/metrics", method: str = "GET", **headers: str
) -> Answer:
    """Make a request on a connection of its own."""
    connection = (
        http.client.HTTPSConnection(exporter.address, context=context, timeout=DEADLINE_SECONDS)
        if context
        else http.client.HTTPConnection(exporter.address, timeout=DEADLINE_SECONDS)
    )
    with contextlib.closing(connection):
        connection.request(method, path, headers=headers)
        response = connection.getresponse()
        body = response.read()
        return Answer(response.status, {name.lower(): value for name, value in response.getheaders()}, body)


def trusting(authority: Authority, client: Pair | None = None) -> ssl.SSLContext:
    """A client's context."""
    context = ssl.create_default_context(cafile=str(authority.cert))
    if client:
        context.load_cert_chain(client.cert, client.key)
    return context


class Folder:
    """A folder with certificates and a web configuration."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.authority = Authority(path)
        self.authority.server()
        self.file = path / "web.yml"

    def configure(self, **changes: object) -> Path:
        """Write the web configuration: mutual TLS and a password, unless changed; None leaves a section out."""
        sections = {
            "tls_server_config": {
                "cert_file": "server.crt", "key_file": "server.key", "client_auth_type": "RequireAndVerifyClientCert",
                "client_ca_file": "authority.pem", "client_allowed_sans": [CLIENT],
            },
            "basic_auth_users": {"prometheus": HASH},
        } | changes  # fmt: skip
        temporary = self.file.with_suffix(".new")
        temporary.write_text(yaml.safe_dump({name: section for name, section in sections.items() if section}))
        temporary.replace(self.file)
        return self.file


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return Folder(tmp_path)


@pytest.fixture(scope="module")
def ledger_config(shared_dsn: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A configuration for ledgers that nobody changes."""
    return configure(tmp_path_factory.mktemp("ledgers") / "ledger-exporter.yml", shared_dsn)


def secured(ledger_config: Path, folder: Folder, *options: str) -> Exporter:
    return Exporter(ledger_config, f"--web.config.file={folder.file}", *options)


@pytest.mark.tools
class TestPrometheus:
    def test_is_let_in_only_as_who_it_should_be(self, ledger_config: Path, folder: Folder) -> None:
        """One Prometheus, as many as there are ways to be wrong, and one that is right."""
        folder.configure()
        elsewhere = folder.path / "elsewhere"
        elsewhere.mkdir()
        stranger, own = Authority(elsewhere), folder.authority
        right = own.client(CLIENT)
        good = _job(own, right)
        jobs = {
            "right": good,
            "wrong_password": good | {"basic_auth": {"username": "prometheus", "password": "guess"}},
            "unknown_user": good | {"basic_auth": {"username": "nobody", "password": PASSWORD}},
            "no_password": {key: value for key, value in good.items() if key != "basic_auth"},
            "no_certificate": _job(own, None),
            "foreign_certificate": _job(own, stranger.client(CLIENT)),
            "expired_certificate": _job(own, own.client("expired", -timedelta(days=1))),
            "other_name": _job(own, own.client("other.example.org")),
            "servers_certificate": _job(own, own.server("second")),
            "trusting_another": _job(stranger, right),
            "unencrypted": {"scheme": "http", "basic_auth": good["basic_auth"]},
        }
        with secured(ledger_config, folder) as exporter:
            found = _targets(folder.path, exporter.address, jobs)
            exporter.wait_for("authentication failed", address="127.0.0.1")

        assert {job: health for job, (health, _) in found.items()} == {
            job: "up" if job == "right" else "down" for job in jobs
        }
        for job in ("wrong_password", "unknown_user", "no_password"):
            assert found[job][1] == "server returned HTTP status 401 Unauthorized"
        assert "certificate signed by unknown authority" in found["trusting_another"][1]
        warnings = [event for event in exporter.events if event.get("level") == "warn"]
        assert len(warnings) <= 5

    def test_does_not_trust_an_expired_server(self, ledger_config: Path, folder: Folder) -> None:
        folder.authority.server(until=-timedelta(days=1))
        folder.configure(tls_server_config={"cert_file": "server.crt", "key_file": "server.key"})
        with secured(ledger_config, folder) as exporter:
            found = _targets(folder.path, exporter.address, {"it": _job(folder.authority, None)})

        assert "expired" in found["it"][1]


def _job(authority: Authority, client: Pair | None) -> dict[str, Any]:
    certificate = {"cert_file": str(client.cert), "key_file": str(client.key)} if client else {}
    return {
        "scheme": "https",
        "tls_config": {"ca_file": str(authority.cert), **certificate},
        "basic_auth": {"username": "prometheus", "password": PASSWORD},
    }


def _targets(folder: Path, target: str, jobs: dict[str, dict[str, Any]]) -> dict[str, tuple[str, str]]:
    """The health and the last error of each job, once Prometheus has scraped all."""
    scrapes = [
        {"job_name": job, "static_configs": [{"targets": [target]}], **settings} for job, settings in jobs.items()
    ]
    file = folder / "prometheus.yml"
    file.write_text(
        yaml.safe_dump({"global": {"scrape_interval": "6s", "scrape_timeout": "6s"}, "scrape_configs": scrapes})
    )
    with socket.create_server(("127.0.0.1", 0)) as free:
        address = f"127.0.0.1:{free.getsockname()[1]}"
    command = [tool("prometheus"), f"--config.file={file}", f"--web.listen-address={address}",
               f"--storage.tsdb.path={folder / 'data'}"]  # fmt: skip
    found: dict[str, tuple[str, str]] = {}

    def scraped() -> bool:
        try:
            with urllib.request.urlopen(
                f"http://{address}/api/v1/targets?state=active", timeout=DEADLINE_SECONDS
            ) as answer:
                active = json.load(answer)["data"]["activeTargets"]
        except OSError:
            return False
        found.update({one["labels"]["job"]: (one["health"], one["lastError"]) for one in active})
        return len(found) == len(jobs) and "unknown" not in {health for health, _ in found.values()}

    with (folder / "prometheus.log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, stdin=subprocess.DEVNULL)
    try:
        eventually(scraped, f"Prometheus has not scraped; its log is {log.name}")
    finally:
        process.kill()
        process.wait()
    return found


class TestChanges:
    def test_certificates_and_passwords_are_read_anew(self, ledger_config: Path, folder: Folder) -> None:
        tls = {"cert_file": "server.crt", "key_file": "server.key"}
        folder.configure(tls_server_config=tls)
        context = trusting(folder.authority)
        with secured(ledger_config, folder) as exporter:
            before = _serial(exporter, context)
            folder.authority.server()
            after = _serial(exporter, context)
            known = ask(exporter, context, **basic("prometheus", PASSWORD)).status
            folder.configure(
                tls_server_config=tls, basic_auth_users={"grafana": bcrypt.hashpw(b"new", bcrypt.gensalt(4)).decode()}
            )
            old = ask(exporter, context, **basic("prometheus", PASSWORD)).status
            new = ask(exporter, context, **basic("grafana", "new")).status

        assert before != after
        assert (known, old, new) == (200, 401, 200)

    def test_an_open_connection_obeys_the_new_file(self, ledger_config: Path, folder: Folder) -> None:
        folder.configure(tls_server_config=None)
        with secured(ledger_config, folder) as exporter:
            connection = http.client.HTTPConnection(exporter.address, timeout=DEADLINE_SECONDS)
            statuses = []
            for users in ({"prometheus": HASH}, {"other": HASH}, {"prometheus": HASH}):
                folder.configure(tls_server_config=None, basic_auth_users=users)
                connection.request("GET", "/-/healthy", headers=basic("prometheus", PASSWORD))
                response = connection.getresponse()
                response.read()
                statuses.append(response.status)
            connection.close()

        assert statuses == [200, 401, 200]

    def test_a_file_that_breaks_lets_nobody_in(self, ledger_config: Path, folder: Folder) -> None:
        folder.configure()
        context = trusting(folder.authority, folder.authority.client(CLIENT))
        right = basic("prometheus", PASSWORD)
        with secured(ledger_config, folder) as exporter:
            connection = http.client.HTTPSConnection(exporter.address, context=context, timeout=DEADLINE_SECONDS)
            connection.request("GET", "/-/healthy", headers=right)
            good = connection.getresponse()
            good.read()
            folder.file.write_text("")
            connection.request("GET", "/-/healthy", headers=right)
            bad = connection.getresponse()
            said = bad.read()
            with pytest.raises((OSError, http.client.HTTPException)):
                ask(exporter, context, **right)
            exporter.wait_for("web configuration cannot be used; whoever asks is refused")
            folder.configure()
            again = ask(exporter, context, **right)
            exporter.wait_for("web configuration can be used again")
            connection.close()

        assert (good.status, bad.status, again.status) == (200, 500, 200)
        assert said == b"500 internal server error\n"

    def test_a_file_that_is_wrong_at_the_start_is_exit_code_2(self, ledger_config: Path, folder: Folder) -> None:
        folder.configure(tls_server_config={"cert_file": "absent.crt", "key_file": "server.key"})
        ended = run("serve", f"--config.file={ledger_config}", f"--web.config.file={folder.file}")

        assert (ended.returncode, ended.stdout) == (2, "")
        assert ended.stderr == (
            "ledger-exporter: the configuration cannot be used:\n"
            f"{folder.file}:4: tls_server_config.cert_file: cannot be read: No such file or directory\n"
        )


def _serial(exporter: Exporter, context: ssl.SSLContext) -> object:
    host, port = exporter.address.split(":")
    with (
        socket.create_connection((host, int(port)), timeout=DEADLINE_SECONDS) as plain,
        context.wrap_socket(plain, server_hostname=host) as client,
    ):
        certificate = client.getpeercert()
        assert certificate
        return certificate["serialNumber"]


class TestProtocol:
    @pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1])
    @pytest.mark.filterwarnings("ignore:ssl.TLSVersion:DeprecationWarning")
    def test_old_versions_are_refused(self, ledger_config: Path, folder: Folder, version: ssl.TLSVersion) -> None:
        folder.configure(tls_server_config={"cert_file": "server.crt", "key_file": "server.key"}, basic_auth_users=None)
        context = trusting(folder.authority)
        context.set_ciphers("ALL:@SECLEVEL=0")
        context.minimum_version = context.maximum_version = version
        with secured(ledger_config, folder) as exporter, pytest.raises(ssl.SSLError):
            ask(exporter, context)

    def test_every_page_is_protected(self, ledger_config: Path, folder: Folder) -> None:
        folder.configure(tls_server_config=None)
        paths = ["/", "/metrics", "/-/healthy", "/-/ready", "/-/reload", "/nowhere"]
        with secured(ledger_config, folder, "--web.enable-lifecycle") as exporter:
            answers = [
                ask(exporter, None, path, method) for path in paths for method in ("GET", "POST", "HEAD", "OPTIONS")
            ]

        assert {answer.status for answer in answers} == {401}
        assert {answer.headers["www-authenticate"] for answer in answers} == {
            'Basic realm="ledger-exporter", charset="UTF-8"'
        }

    def test_headers_are_on_every_response(self, ledger_config: Path, folder: Folder) -> None:
        wanted = {
            "Strict-Transport-Security": "max-age=60",
            "X-Frame-Options": "deny",
            "Content-Security-Policy": "sandbox",
        }
        folder.configure(tls_server_config=None, http_server_config={"headers": wanted})
        with secured(ledger_config, folder, "--web.enable-lifecycle") as exporter:
            right = basic("prometheus", PASSWORD)
            answers = [
                ask(exporter, None, "/", **right), ask(exporter, None, "/nowhere", **right), ask(exporter, None, "/"),
                ask(exporter, None, "/-/reload", "POST", **right),
            ]  # fmt: skip

        assert [answer.status for answer in answers] == [200, 404, 401, 200]
        for answer in answers:
            assert {name.lower(): value for name, value in wanted.items()}.items() <= answer.headers.items()

    def test_requests_are_limited_where_wanted(self, ledger_config: Path, folder: Folder) -> None:
        folder.configure(
            tls_server_config=None, basic_auth_users=None, rate_limit={"interval": "1h", "burst": 3}
        )  # fmt: skip
        with secured(ledger_config, folder) as exporter:
            answers = [ask(exporter, None, "/-/healthy") for _ in range(5)]

        assert [answer.status for answer in answers] == [200, 200, 200, 429, 429]
        assert answers[-1].headers["retry-after"] == "3600"


class TestGuessing:
    def test_guesses_are_slowed_down_and_scrapes_are_not(self, ledger_config: Path, folder: Folder) -> None:
        folder.configure(tls_server_config=None)
        with secured(ledger_config, folder) as exporter:
            right = basic("prometheus", PASSWORD)
            first, began = ask(exporter, None, **right).status, time.monotonic()
            guesses = [ask(exporter, None, **basic("prometheus", f"guess-{number}")) for number in range(30)]
            later = [ask(exporter, None, **right).status for _ in range(30)]
            exporter.wait_for("authentication failed")
            seconds = time.monotonic() - began

        statuses = [guess.status for guess in guesses]
        waited_for = math.log2(1 + seconds) + seconds / LONGEST_WAIT_SECONDS  # after waits of 1, 2, 4, 8 s and so on
        assert first == 200
        assert statuses[:FREE_FAILURES] == [401] * FREE_FAILURES
        assert set(statuses) == {401, 429}
        assert statuses.count(401) <= FREE_FAILURES + 1 + waited_for
        assert set(later) == {200}
        lines = [event for event in exporter.events if event["msg"] == "authentication failed"]
        assert len(lines) <= 1 + seconds / TALLY_SECONDS


class TestSecrets:
    """What must not be told: passwords, their hashes, private keys and what clients send as passwords."""

    def test_are_told_nowhere(self, server: postgres.Server, folder: Folder) -> None:
        """At the most talkative level, with everything going wrong: not in logs, pages or the list of processes."""
        database = "s3cret-of-the-database"
        dsn = f"{server.dsn('absent')} password={database}"
        config = configure(folder.path / "ledger-exporter.yml", dsn)
        web = folder.configure(tls_server_config=None)
        guess = "guess-that-may-be-a-typo"
        with Exporter(config, f"--web.config.file={web}", "--web.enable-lifecycle", "--log.level=debug") as exporter:
            right = basic("prometheus", PASSWORD)
            exporter.wait_for("ledger cannot be read")
            pages = [ask(exporter, None, path, **right) for path in ("/", "/metrics", "/-/ready")]
            pages += [ask(exporter, None, "/", **basic(guess, guess)) for _ in range(10)]
            pages.append(ask(exporter, None, "/", Authorization=f"Bearer {guess}"))
            for text in (
                f"sources: {{main: {{dsn: '{dsn} x=1'}}}}",
                f"sources: ['{database}']",
                f"'{database}': [",
                "\0",
            ):
                config.write_text(text)
                pages.append(ask(exporter, None, "/-/reload", "POST", **right))
            for text in (
                f"basic_auth_users: '{HASH}'",
                f"basic_auth_users: {{{HASH}: ",
                f"basic_auth_users: {{a: {HASH}x}}",
            ):
                web.write_text(text)
                pages.append(ask(exporter, None, "/", **right))
            processes = Path(f"/proc/{exporter.process.pid}/cmdline").read_text()
            told = json.dumps(exporter.events) + processes + "".join(f"{page.headers}{page.text}" for page in pages)

        assert {page.status for page in pages} == {200, 401, 500}
        encoded = right["Authorization"].split()[1]
        for secret in (database, PASSWORD, HASH, HASH[7:], guess, encoded):
            assert secret not in told

    def test_keys_are_told_nowhere(self, ledger_config: Path, folder: Folder) -> None:
        """A key in the wrong place, or one that does not fit, is not repeated."""
        key = (folder.path / "server.key").read_text()
        other = folder.authority.client("other")
        for section in (
            {"cert": key, "key_file": "server.key"},
            {"cert_file": key, "key_file": "server.key"},
            {"cert_file": "server.crt", "key": other.key.read_text()},
            {"cert_file": "server.crt", "key": [key]},
            {"cert_file": "server.crt", "key_file": "server.key", "client_auth_type": key},
        ):
            ended = run(
                "serve", f"--config.file={ledger_config}",
                f"--web.config.file={folder.configure(tls_server_config=section)}", "--log.level=debug",
            )  # fmt: skip

            assert ended.returncode == 2
            for line in (key + other.key.read_text()).splitlines():
                assert line.startswith("-----") or line not in ended.stderr


class TestMarkup:
    def test_nothing_from_outside_becomes_markup(self, tmp_path: Path) -> None:
        """A database may be called anything, and its errors may say anything."""
        evil = "<script>alert(1)</script>"
        config = configure(tmp_path / "ledger-exporter.yml", f"host={tmp_path}/{evil} dbname={evil} user={evil}")
        with Exporter(config, f"--web.telemetry-path=/{evil}") as exporter:
            exporter.until_ready()
            page = exporter.ask("/")
            missing = exporter.ask(f"/{evil}/nowhere".replace("<", "%3C").replace(">", "%3E"))

        assert page.status == 200
        assert "&lt;script&gt;" in page.text
        assert "<script" not in page.text
        assert evil not in missing.text
        assert page.headers["content-security-policy"].startswith("default-src 'none'")
