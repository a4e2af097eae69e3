"""The web configuration: what is understood, what is refused and in which words, and what happens when it changes."""

from __future__ import annotations

import json
import logging
import re
from datetime import timedelta
from pathlib import Path

import bcrypt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.errors import ConfigError
from exporter.web.config import CIPHER_SUITES, CURVES, TLS13_SUITES, WebConfig
from exporter.web.config_file import WebConfigFile, parse
from tests.support.certificates import Authority, Pair, encrypted

ROOT = Path(__file__).parents[2]
HASH = bcrypt.hashpw(b"open sesame", b"$2b$04$" + 22 * b"u").decode()  # ever the same: it is in the names of tests


def read(text: str) -> WebConfig:
    return parse(text, "web.yml")[0]


def problems(text: str) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        parse(text, "web.yml")
    return caught.value.problems


@pytest.fixture
def server(authority: Authority) -> Pair:
    return authority.server()


def written(folder: Path, text: str) -> Path:
    file = folder / "web.yml"
    file.write_text(text)
    return file


@pytest.mark.parametrize(
    "text",
    ["", "\n# nothing\n", "{}", "tls_server_config: {}", "tls_server_config:\nbasic_auth_users:\nhttp_server_config:\n",
     "http_server_config: {http2: false}", "http_server_config: {headers:}", "rate_limit: {interval: 0}"],
)  # fmt: skip
def test_what_is_empty_demands_nothing(text: str) -> None:
    config = read(text)

    assert not config.tls_server_config.wanted
    assert not config.basic_auth_users
    assert not config.http_server_config.headers
    assert not config.rate_limit.interval


def test_every_key_is_understood() -> None:
    config = read(f"""
tls_server_config:
  cert_file: server.crt
  key_file: server.key
  client_auth_type: RequireAndVerifyClientCert
  client_ca_file: ca.pem
  client_allowed_sans: [prometheus.example.org]
  min_version: TLS12
  max_version: TLS13
  cipher_suites: [{", ".join([*CIPHER_SUITES, *TLS13_SUITES])}]
  prefer_server_cipher_suites: false
  curve_preferences: [X25519]
http_server_config:
  http2: true
  headers:
    Content-Security-Policy: "default-src 'self'"
    X-Frame-Options: deny
    X-Content-Type-Options: nosniff
    X-XSS-Protection: ""
    Strict-Transport-Security: max-age=31536000
basic_auth_users: {{prometheus: "{HASH}"}}
rate_limit: {{interval: 10ms, burst: 20}}
""")

    assert config.tls_server_config.wanted
    assert config.basic_auth_users["prometheus"].get_secret_value() == HASH
    assert set(config.http_server_config.headers) == {
        "Content-Security-Policy", "X-Frame-Options", "X-Content-Type-Options", "Strict-Transport-Security",
    }  # fmt: skip
    assert (config.rate_limit.interval, config.rate_limit.burst) == (timedelta(milliseconds=10), 20)


TLS = "tls_server_config: {cert_file: a, key_file: b, "


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "- a",
            "web.yml:1: must be a mapping with the keys tls_server_config, http_server_config, basic_auth_users, rate_limit",
        ),
        ("a: [", "web.yml:1: is not valid YAML: "),
        ("tls: {}", "web.yml:1: tls: is not a known key; allowed here: tls_server_config, http_server_config, "),
        ("\nbasic_auth_users: {a: x}", "web.yml:2: basic_auth_users.a: must be a bcrypt hash of cost 4 to 14"),
        (f"basic_auth_users: {{'a:b': '{HASH}'}}", "web.yml:1: basic_auth_users.a:...: must be a name without a colon"),
        (f"basic_auth_users: {{a: '{HASH[:4]}31{HASH[6:]}'}}", "must be a bcrypt hash of cost 4 to 14"),
        (f"basic_auth_users: {{a: '{HASH}', a: '{HASH}'}}", "web.yml:1: basic_auth_users.a: is given twice"),
        ("basic_auth_users: {a: 5}", "basic_auth_users.a: must be a valid string"),
        ("basic_auth_users: [a]", "basic_auth_users: must be a valid dictionary"),
        ("tls_server_config: {cert_file: a}", "tls_server_config: needs one of key and key_file"),
        ("tls_server_config: {key_file: a}", "tls_server_config: needs one of cert and cert_file"),
        ("tls_server_config: {cert_file: '', key_file: ''}", "tls_server_config: needs one of cert and cert_file"),
        ("tls_server_config: {min_version: TLS13}", "tls_server_config: needs one of cert and cert_file"),
        (TLS + "cert: c}", "tls_server_config: needs one of cert and cert_file"),
        (TLS + "client_ca_file: c}", "tls_server_config: says who clients may be, so it needs client_auth_type"),
        (TLS + "client_allowed_sans: [a]}", "tls_server_config: says who clients may be, so it needs client_auth_type"),
        (
            TLS + "client_auth_type: RequireAndVerifyClientCert}",
            "needs one of client_ca and client_ca_file with Require",
        ),
        (TLS + "client_auth_type: RequireAnyClientCert}", "a certificate that nobody verifies proves nothing"),
        (
            TLS + "client_auth_type: Maybe}",
            "client_auth_type: must be 'NoClientCert', 'VerifyClientCertIfGiven' or 'Re",
        ),
        (TLS + "min_version: TLS10}", "min_version: must be TLS12 or TLS13: older versions are broken"),
        (TLS + "min_version: SSL3}", "min_version: must be 'TLS12' or 'TLS13'"),
        (TLS + "min_version: TLS13, max_version: TLS12}", "has a min_version above its max_version"),
        (
            TLS + "cipher_suites: [TLS_RSA_WITH_RC4_128_SHA]}",
            "cipher_suites[0]: must be one of TLS_AES_128_GCM_SHA256, ",
        ),
        (TLS + "cipher_suites: [TLS_AES_128_GCM_SHA256], max_version: TLS12}", "has no cipher suite for TLS12"),
        (TLS + "curve_preferences: [P256]}", f"curve_preferences[0]: must be one of {', '.join(CURVES)}"),
        (TLS + "curve_preferences: [X25519, CurveP256]}", "curve_preferences: Tuple should have at most 1 item"),
        (TLS + "password: x}", "tls_server_config.password: is not a known key; allowed here: cert, key, client_ca, "),
        ("http_server_config: {headers: {X-Powered-By: me}}", "headers: must be one of Content-Security-Policy, "),
        ("http_server_config: {headers: {X-Frame-Options: no}}", "headers"),
        ("http_server_config: {headers: {X-Frame-Options: some}}", "must have deny or sameorigin for X-Frame-Options"),
        (
            'http_server_config: {headers: {X-XSS-Protection: "a\\r\\nb: c"}}',
            "for X-XSS-Protection that is not printable",
        ),
        ("rate_limit: {interval: soon}", "rate_limit.interval: must be a duration such as 15s"),
        ("rate_limit: {burst: -1}", "rate_limit.burst: must be greater than or equal to 0"),
    ],
)
def test_what_is_wrong_is_told_with_its_place_and_what_is_allowed(text: str, expected: str) -> None:
    assert any(expected in problem for problem in problems(text)), problems(text)


@pytest.mark.parametrize(
    "text",
    [
        f"basic_auth_users: '{HASH}'",
        f"tls_server_config: {{cert_file: ['{HASH}']}}",
        HASH,
        f"basic_auth_users: {{'{HASH}': a}}",
    ],
)
def test_no_value_is_repeated(text: str) -> None:
    """It might be a secret in the wrong place."""
    assert HASH not in str(problems(text))
    assert HASH not in repr(read(f"basic_auth_users: {{a: '{HASH}'}}"))


def test_the_examples_of_the_page_are_valid() -> None:
    blocks = re.findall(
        r"^```yml\n(.*?)^```$", (ROOT / "docs" / "web-configuration.md").read_text(), re.MULTILINE | re.DOTALL
    )

    assert blocks
    for block in blocks:
        read(block)


def test_the_page_names_every_key_and_no_other() -> None:
    page = (ROOT / "docs" / "web-configuration.md").read_text()
    rows = re.findall(r"^\| `([a-z_]+\.[a-zA-Z0-9_]+)` \|", page, re.MULTILINE)
    known = [
        f"{section}.{key}"
        for section, field in WebConfig.model_fields.items()
        for key in getattr(field.annotation, "model_fields", {"USER": None})
    ]

    assert sorted(known) == sorted(rows)


def understood(text: str) -> list[str]:
    """The problems with a text, none if it is a web configuration."""
    try:
        read(text)
    except ConfigError as error:
        return error.problems
    return []


YAML_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=10) | st.sampled_from([HASH, "1s", "TLS12", ""]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [
                    *WebConfig.model_fields,
                    "cert",
                    "key_file",
                    "client_allowed_sans",
                    "headers",
                    "interval",
                    "min_version",
                ]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@given(YAML_VALUES)
def test_any_structure_is_understood_or_refused(value: object) -> None:
    """Written as JSON, which is YAML."""
    assert all(problem.startswith("web.yml:") for problem in understood(json.dumps(value)))


@given(st.text(max_size=200) | st.binary(max_size=100).map(lambda data: data.decode("latin-1")))
def test_any_text_is_understood_or_refused(text: str) -> None:
    assert all(problem.startswith("web.yml:") for problem in understood(text))


class TestFile:
    """The file and what it names, as they change."""

    def test_certificates_are_checked_at_the_start(self, tmp_path: Path, authority: Authority, server: Pair) -> None:
        def told(certificates: str) -> str:
            file = written(tmp_path, f"tls_server_config:\n  {certificates}\n")
            with pytest.raises(ConfigError) as caught:
                WebConfigFile(file)
            return str(caught.value).removeprefix(f"{file}:")

        other, junk = authority.client("other"), tmp_path / "junk.pem"
        junk.write_text("-----BEGIN CERTIFICATE-----\njunk\n-----END CERTIFICATE-----\n")
        verified = "client_auth_type: RequireAndVerifyClientCert\n  client_ca_file: "
        own = "cert_file: server.crt\n  key_file: server.key\n  "

        assert told("cert_file: x.crt\n  key_file: server.key") == (
            "2: tls_server_config.cert_file: cannot be read: No such file or directory"
        )
        assert told(f"cert_file: server.crt\n  key_file: {other.key}") == (
            "3: tls_server_config.key_file: is not the key of the certificate"
        )
        assert told(f"cert_file: server.crt\n  key_file: {encrypted(server.key)}").startswith(
            "3: tls_server_config.key_file: is encrypted"
        )
        assert told("cert_file: junk.pem\n  key_file: server.key").startswith("2: tls_server_config.cert_file: ")
        assert told(f"{own}{verified}junk.pem").startswith("5: tls_server_config.client_ca_file: holds no certificates")
        assert told(f"{own}{verified}server.key").startswith(
            "5: tls_server_config.client_ca_file: holds no certificates"
        )

    def test_certificates_may_stand_in_the_file(self, tmp_path: Path, authority: Authority, server: Pair) -> None:
        def block(file: Path) -> str:
            return "|\n" + "".join(f"    {line}\n" for line in file.read_text().splitlines())

        text = (
            f"tls_server_config:\n  cert: {block(server.cert)}  key: {block(server.key)}"
            f"  client_ca: {block(authority.cert)}  client_auth_type: RequireAndVerifyClientCert\n"
        )

        assert WebConfigFile(written(tmp_path, text)).context().get_ca_certs()

    @pytest.mark.usefixtures("server")
    def test_a_context_is_made_anew_when_something_changes(self, tmp_path: Path, authority: Authority) -> None:
        text = "tls_server_config: {cert_file: server.crt, key_file: server.key}\n"
        file = WebConfigFile(written(tmp_path, text))
        first, again = file.context(), file.context()
        authority.server()
        renewed = file.context()
        written(tmp_path, text.replace("}", ", min_version: TLS13}"))

        assert first is again
        assert renewed is not first
        assert renewed.minimum_version != file.context().minimum_version

    def test_what_cannot_be_used_any_more_is_an_error_told_once(
        self, tmp_path: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        caplog.set_level(logging.INFO)
        good = f"basic_auth_users: {{a: '{HASH}'}}\n"
        path = written(tmp_path, good)
        file = WebConfigFile(path)
        for bad in ("basic_auth_users: [", "basic_auth_users: {a: x}", "", None, "basic_auth_users: {}"):
            written(tmp_path, bad) if bad is not None else path.unlink()
            for _ in range(3):
                with pytest.raises(ConfigError):
                    file.read()
        written(tmp_path, good)
        file.read()
        file.read()

        assert [record.getMessage() for record in caplog.records] == [
            *["web configuration cannot be used; whoever asks is refused"] * 5,
            "web configuration can be used again",
        ]
        assert HASH not in caplog.text

    @pytest.mark.usefixtures("server")
    def test_encryption_comes_and_goes_with_a_restart_only(self, tmp_path: Path) -> None:
        plain, encrypted_ = "", "tls_server_config: {cert_file: server.crt, key_file: server.key}\n"
        for before, after, change in ((plain, encrypted_, "added"), (encrypted_, plain, "removed")):
            file = WebConfigFile(written(tmp_path, before))
            written(tmp_path, after)
            with pytest.raises(ConfigError, match=f"tls_server_config: cannot be {change} without a restart"):
                file.read()

    def test_users_may_be_added_and_changed(self, tmp_path: Path) -> None:
        file = WebConfigFile(written(tmp_path, ""))
        written(tmp_path, f"basic_auth_users: {{a: '{HASH}'}}\n")

        assert set(file.read().basic_auth_users) == {"a"}
