"""HTTP from the other side: exporters and Prometheis are asked, with the credentials they want to see."""

from __future__ import annotations

import base64
import socket
import ssl
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Mapping
from http import HTTPStatus
from http.client import HTTPException, IncompleteRead
from pathlib import Path
from typing import Any, Self, TypeVar

from pydantic import Field, SecretStr, model_validator

from exporter import __version__, yaml_file
from exporter.config import Section
from exporter.errors import ConfigError, RequestError

TIMEOUT_SECONDS = 30.0
_MOST_OF_AN_ERROR = 300

PathField = Field(default=None, strict=False)


class BasicAuth(Section):
    """A user and a password."""

    username: str
    password: SecretStr | None = None
    password_file: Path | None = PathField


class Authorization(Section):
    """A token, or whatever else stands in the header Authorization after `type`."""

    type: str = "Bearer"
    credentials: SecretStr | None = None
    credentials_file: Path | None = PathField


class TlsConfig(Section):
    """Who is trusted, and what we show; by default the system's authorities, and nothing."""

    ca_file: Path | None = PathField
    cert_file: Path | None = PathField
    key_file: Path | None = PathField
    insecure_skip_verify: bool = False


S = TypeVar("S", bound=Section)


class ClientConfig(Section):
    """What a server wants to see, in the format Prometheus uses for it: one of `basic_auth` and `authorization`, and TLS."""

    basic_auth: BasicAuth | None = None
    authorization: Authorization | None = None
    tls_config: TlsConfig = TlsConfig()

    @model_validator(mode="after")
    def _one_of_each(self) -> Self:
        if self.basic_auth is not None and self.authorization is not None:
            raise ValueError("takes basic_auth or authorization, not both")
        return self


def load(path: Path | None) -> ClientConfig:
    """Read a client configuration; None is that of a server that wants to see nothing.

    Files it names are relative to its folder, as for Prometheus.

    Raises:
        ConfigError: with every problem found.
    """
    if path is None:
        return ClientConfig()
    config, _ = yaml_file.parse(
        yaml_file.read(path),
        str(path),
        ClientConfig,
        is_secret=lambda place: "password" in place or "credentials" in place,
    )
    return _within(path.parent, config)


def _within(folder: Path, section: S) -> S:
    """Return a section with the files it names, which are relative to a folder."""
    changes: dict[str, Any] = {}
    for key, value in section:
        if isinstance(value, Path):
            changes[key] = folder / value
        elif isinstance(value, Section):
            changes[key] = _within(folder, value)
    return section.model_copy(update=changes)


class Client:
    """Asks servers with one set of credentials; files with secrets are read when it is made."""

    def __init__(self, config: ClientConfig | None = None) -> None:
        """Prepare; nothing connects yet.

        Raises:
            ConfigError: a file that the configuration names cannot be used.
        """
        config = ClientConfig() if config is None else config
        self._authorization = _authorization(config)
        handlers: list[Any] = [urllib.request.HTTPSHandler(context=_tls(config.tls_config))]
        self._opener = urllib.request.build_opener(*handlers)

    def get(self, url: str) -> bytes:
        """Return what is at a URL.

        Raises:
            RequestError: nobody answers, or not with success.
        """
        return self._open(url, None)

    def post(self, url: str, form: Mapping[str, str]) -> bytes:
        """Send a form to a URL and return the answer.

        Raises:
            RequestError: nobody answers, or not with success.
        """
        return self._open(url, urllib.parse.urlencode(form).encode())

    def send(self, url: str, body: bytes, headers: Mapping[str, str]) -> None:
        """Send bytes to a URL.

        Raises:
            RequestError: nobody answers, or not with success.
        """
        self._open(url, body, headers)

    def _open(self, url: str, body: bytes | None, headers: Mapping[str, str] | None = None) -> bytes:
        shown = without_secrets(url)
        agent = {"User-Agent": f"ledger-exporter/{__version__}"}
        try:
            request = urllib.request.Request(url, body, {**agent, **(headers or {})})  # noqa: S310 - checked
            if self._authorization:
                request.add_unredirected_header("Authorization", self._authorization)
            with self._opener.open(request, timeout=TIMEOUT_SECONDS) as answer:
                if body is not None and answer.geturl() != request.full_url:
                    raise RequestError(f"{shown} leads to another place, where what was sent would be lost")
                found: bytes = answer.read()
                return found
        except urllib.error.HTTPError as error:
            with error:
                words = error.read(_MOST_OF_AN_ERROR).decode("utf-8", "replace").strip()
            said = f": {words}" if words else ""
            may_pass = error.code == HTTPStatus.TOO_MANY_REQUESTS or error.code >= HTTPStatus.INTERNAL_SERVER_ERROR
            message = f"{shown} answers {error.code} {error.reason}{said}"
            raise RequestError(message, error.code, may_pass=may_pass) from None
        except (OSError, HTTPException, ValueError) as error:
            reason = getattr(error, "reason", error)
            raise RequestError(f"{shown} cannot be asked: {reason}", may_pass=_may_pass(reason)) from None


def _may_pass(reason: object) -> bool:
    """Tell whether what kept a server from answering may be over later: nobody is there, or the line was cut.

    A certificate, a name that nobody has or a header that cannot be sent stays as it is.
    """
    if isinstance(reason, ssl.SSLError):
        return isinstance(reason, ssl.SSLEOFError)
    if isinstance(reason, socket.gaierror):
        return reason.errno == socket.EAI_AGAIN
    return isinstance(reason, OSError | IncompleteRead)


def check_url(url: str) -> str:
    """Return a URL as it was given.

    Raises:
        ValueError: it is none of HTTP, or has a user or password in it.
    """
    parts = urllib.parse.urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("must be a URL such as http://127.0.0.1:9090")
    if parts.username or parts.password:
        raise ValueError("must be without user and password: these belong into a file, see --http.config.file")
    return url


def with_path(url: str, path: str) -> str:
    """Return a URL, with a path where it has none of its own."""
    parts = urllib.parse.urlsplit(url)
    return url if parts.path not in ("", "/") else urllib.parse.urlunsplit(parts._replace(path=path))


def without_secrets(url: str) -> str:
    """Return a URL as it may be shown: without what comes after the path."""
    return url.partition("?")[0]


def _authorization(config: ClientConfig) -> str:
    """Return the value of the header, empty for none."""
    if config.basic_auth is not None:
        user = config.basic_auth
        password = _secret("basic_auth.password", user.password, user.password_file)
        return "Basic " + base64.b64encode(f"{user.username}:{password}".encode()).decode()
    if config.authorization is not None:
        token = config.authorization
        return f"{token.type} " + _secret("authorization.credentials", token.credentials, token.credentials_file)
    return ""


def _secret(key: str, value: SecretStr | None, file: Path | None) -> str:
    if value is not None:
        return value.get_secret_value()
    if file is None:
        raise ConfigError([f"{key}, or {key}_file, is required"])
    return yaml_file.read(file).strip()


def _tls(config: TlsConfig) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(cafile=config.ca_file)
        if config.cert_file is not None:
            context.load_cert_chain(config.cert_file, config.key_file)
    except (OSError, ssl.SSLError) as error:
        raise ConfigError([f"tls_config: a file cannot be used: {error}"]) from None
    if config.insecure_skip_verify:
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context
