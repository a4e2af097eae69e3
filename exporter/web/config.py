"""The web configuration: TLS, users and headers, in the format that Prometheus's exporters share."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr, field_validator, model_validator

from exporter.config import Section, parse_duration

CIPHER_SUITES = {
    "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256": "ECDHE-ECDSA-AES128-GCM-SHA256",
    "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384": "ECDHE-ECDSA-AES256-GCM-SHA384",
    "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256": "ECDHE-ECDSA-CHACHA20-POLY1305",
    "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256": "ECDHE-RSA-AES128-GCM-SHA256",
    "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384": "ECDHE-RSA-AES256-GCM-SHA384",
    "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256": "ECDHE-RSA-CHACHA20-POLY1305",
    "TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA": "ECDHE-ECDSA-AES128-SHA",
    "TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA": "ECDHE-ECDSA-AES256-SHA",
    "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA": "ECDHE-RSA-AES128-SHA",
    "TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA": "ECDHE-RSA-AES256-SHA",
}
"""Cipher suites of TLS 1.2 by their registered names, and what OpenSSL calls them."""
TLS13_SUITES = ("TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384", "TLS_CHACHA20_POLY1305_SHA256")
"""May be listed; they are offered in any case."""
CURVES = {"CurveP256": "prime256v1", "CurveP384": "secp384r1", "CurveP521": "secp521r1", "X25519": "X25519"}
"""Curves by their names in the file, and what OpenSSL calls them."""
HEADERS: dict[str, tuple[str, ...]] = {
    "Content-Security-Policy": (),
    "Strict-Transport-Security": (),
    "X-Content-Type-Options": ("nosniff",),
    "X-Frame-Options": ("deny", "sameorigin"),
    "X-XSS-Protection": (),
}
"""Headers that can be added to responses, and their values where not any will do."""
MAX_COST = 14
"""The highest cost of a password's hash. Beyond it a check takes seconds: a present to whoever sends many."""

_BCRYPT = re.compile(r"\$2[aby]\$(\d\d)\$[./A-Za-z0-9]{53}")
_PRINTABLE = re.compile(r"[\x20-\x7e]*")


def _or_default(value: object) -> object:
    return {} if value is None else value


def _or_none(value: object) -> object:
    return None if value == "" else value


def _one_of(names: Collection[str]) -> Callable[[str], str]:
    def check(value: str) -> str:
        if value not in names:
            raise ValueError(f"must be one of {', '.join(names)}")
        return value

    return check


def _check_hash(value: SecretStr) -> SecretStr:
    match = _BCRYPT.fullmatch(value.get_secret_value())
    if match is None or not 4 <= int(match[1]) <= MAX_COST:
        raise ValueError(f"must be a bcrypt hash of cost 4 to {MAX_COST}, such as $2y$10$ and 53 characters")
    return value


def _check_user(value: str) -> str:
    if ":" in value:
        raise ValueError("must be a name without a colon")
    return value


def _check_version(value: object) -> object:
    if value in ("TLS10", "TLS11"):
        raise ValueError("must be TLS12 or TLS13: older versions are broken")
    return value


def _check_client_auth(value: object) -> object:
    if value in ("RequestClientCert", "RequireAnyClientCert", "RequireClientCert"):
        raise ValueError(
            "must be NoClientCert, VerifyClientCertIfGiven or RequireAndVerifyClientCert: "
            "a certificate that nobody verifies proves nothing"
        )
    return value or "NoClientCert"


def _parse_interval(value: object) -> timedelta:
    return timedelta() if str(value).strip() in {"0", "0s"} else parse_duration(value)


Text = Annotated[str | None, BeforeValidator(_or_none)]
Secret = Annotated[SecretStr | None, BeforeValidator(_or_none)]
File = Annotated[Path | None, Field(strict=False), BeforeValidator(_or_none)]
Version = Annotated[Literal["TLS12", "TLS13"], BeforeValidator(_check_version)]
ClientAuth = Annotated[
    Literal["NoClientCert", "VerifyClientCertIfGiven", "RequireAndVerifyClientCert"],
    BeforeValidator(_check_client_auth),
]
Cipher = Annotated[str, AfterValidator(_one_of((*TLS13_SUITES, *CIPHER_SUITES)))]
Curve = Annotated[str, AfterValidator(_one_of(CURVES))]
User = Annotated[str, AfterValidator(_check_user)]
PasswordHash = Annotated[SecretStr, AfterValidator(_check_hash)]


class TlsConfig(Section):
    """The server's certificate, and what is asked of clients. Where nothing is given there is no TLS."""

    cert: Text = None
    key: Secret = None
    client_ca: Text = None
    cert_file: File = None
    key_file: File = None
    client_auth_type: ClientAuth = "NoClientCert"
    client_ca_file: File = None
    client_allowed_sans: Annotated[tuple[str, ...], Field(strict=False)] | None = None
    min_version: Version = "TLS12"
    max_version: Version = "TLS13"
    cipher_suites: Annotated[tuple[Cipher, ...], Field(strict=False)] = ()
    prefer_server_cipher_suites: bool = True
    curve_preferences: Annotated[tuple[Curve, ...], Field(strict=False, max_length=1)] = ()

    @property
    def wanted(self) -> bool:
        """Whether connections are encrypted."""
        return bool(self.model_fields_set)

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if not self.wanted:
            return self
        for name in ("cert", "key"):
            if (getattr(self, name) is None) == (getattr(self, f"{name}_file") is None):
                raise ValueError(f"needs one of {name} and {name}_file")
        authorities = [name for name in ("client_ca", "client_ca_file") if getattr(self, name) is not None]
        if self.client_auth_type == "NoClientCert" and (authorities or self.client_allowed_sans is not None):
            raise ValueError("says who clients may be, so it needs client_auth_type RequireAndVerifyClientCert")
        if self.client_auth_type != "NoClientCert" and len(authorities) != 1:
            raise ValueError(f"needs one of client_ca and client_ca_file with {self.client_auth_type}")
        if self.min_version > self.max_version:
            raise ValueError("has a min_version above its max_version")
        if self.max_version == "TLS12" and self.cipher_suites and not {*self.cipher_suites} & {*CIPHER_SUITES}:
            raise ValueError("has no cipher suite for TLS12, its max_version")
        return self


class HttpConfig(Section):
    """Headers added to every response. `http2` is accepted and means nothing here: HTTP/1.1 is served."""

    http2: bool = True
    headers: Annotated[dict[str, str], BeforeValidator(_or_default)] = Field(default_factory=dict)

    @field_validator("headers")
    @classmethod
    def _known(cls, headers: dict[str, str]) -> dict[str, str]:
        for name, value in headers.items():
            _one_of(HEADERS)(name)
            if not _PRINTABLE.fullmatch(value):
                raise ValueError(f"has a value for {name} that is not printable ASCII")
            if HEADERS[name] and value not in ("", *HEADERS[name]):
                raise ValueError(f"must have {' or '.join(HEADERS[name])} for {name}")
        return {name: value for name, value in headers.items() if value}


class RateLimit(Section):
    """At most a request each `interval`, after a `burst` of them; without an interval there is no limit."""

    interval: Annotated[timedelta, BeforeValidator(_parse_interval)] = timedelta()
    burst: int = Field(default=0, ge=0)


class WebConfig(Section):
    """Who may connect and ask, and how connections are encrypted."""

    tls_server_config: Annotated[TlsConfig, BeforeValidator(_or_default)] = TlsConfig()
    http_server_config: Annotated[HttpConfig, BeforeValidator(_or_default)] = HttpConfig()
    basic_auth_users: Annotated[dict[User, PasswordHash], BeforeValidator(_or_default)] = Field(default_factory=dict)
    rate_limit: Annotated[RateLimit, BeforeValidator(_or_default)] = RateLimit()
