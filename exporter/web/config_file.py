"""The web configuration's file: read anew at each request and connection, and never less strict than at the start."""

from __future__ import annotations

import logging
import os
import ssl
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from exporter import yaml_file
from exporter.errors import ConfigError
from exporter.web.config import WebConfig
from exporter.web.tls import TlsContexts, TlsError
from exporter.yaml_file import Document, Place

log = logging.getLogger(__name__)

_READ_BYTES = 65_536


def parse(text: str, file: str) -> tuple[WebConfig, Document]:
    """Validate a web configuration given as YAML text; `file` names it in messages. An empty one demands nothing.

    Raises:
        ConfigError: with every problem found, a line each. No value is repeated: it might be a secret in a wrong place.
    """
    document = yaml_file.parse(text, file, WebConfig.model_fields, may_be_empty=True)
    config = None
    problems: list[yaml_file.Problem] = [(place, "is given twice") for place in document.twice]
    try:
        config = WebConfig.model_validate(document.data)
    except ValidationError as error:
        problems += yaml_file.problems(error, _allowed_keys, lambda _: True)
    if config is None or problems:
        raise document.error(problems)
    return config, document


def _allowed_keys(place: Place) -> list[str]:
    model: Any = WebConfig
    for step in place:
        annotation = model.model_fields[step].annotation if step in model.model_fields else None
        if isinstance(annotation, type) and issubclass(annotation, BaseModel):
            model = annotation
    return list(model.model_fields)


class WebConfigFile:
    """A web configuration and the certificates it names, as they are now.

    What cannot be used any more is an error, logged once, for as long as it lasts; the configuration before does not stay
    in force. What protects at the start cannot be taken away while the program runs: a file that is just being written
    must not open the doors.
    """

    def __init__(self, path: Path) -> None:
        """Read and check everything.

        Raises:
            ConfigError: with every problem found.
        """
        self._path = path
        self._text: bytes | None = None
        self._current: WebConfig | ConfigError | None = None
        self._contexts = TlsContexts(path.parent)
        self._logged: dict[str, str | None] = {}
        self._document: Document | None = None
        self._first: WebConfig | None = None
        self._first = self._read()
        if self.encrypted:
            self._context(self._first)

    @property
    def encrypted(self) -> bool:
        """Whether connections are TLS; decided at the start."""
        return self._first is not None and self._first.tls_server_config.wanted

    def read(self) -> WebConfig:
        """Return the configuration as it is now.

        Raises:
            ConfigError: it cannot be used.
        """
        try:
            config = self._read()
        except ConfigError as error:
            self._tell("web configuration", str(error))
            raise
        self._tell("web configuration", None)
        return config

    def context(self) -> ssl.SSLContext:
        """Return the TLS context for a new connection.

        Raises:
            ConfigError: the configuration or a certificate cannot be used.
        """
        config = self.read()
        try:
            context = self._context(config)
        except ConfigError as error:
            self._tell("certificates", str(error))
            raise
        self._tell("certificates", None)
        return context

    def _read(self) -> WebConfig:
        try:
            content = _content(self._path)
        except OSError as error:
            raise ConfigError([f"{self._path}: cannot be read: {error.strerror}"]) from None
        if content != self._text:
            self._text = content
            try:
                self._current, self._document = parse(_decoded(content, self._path), str(self._path))
                self._check_kept(self._current)
            except ConfigError as error:
                self._current = error
        if isinstance(self._current, ConfigError):
            raise ConfigError(self._current.problems)
        assert self._current is not None  # noqa: S101 - set with the text
        return self._current

    def _check_kept(self, config: WebConfig) -> None:
        """Refuse what would open doors, or could not be followed, while the program runs."""
        if self._first is None:
            return
        if config.tls_server_config.wanted != self.encrypted:
            change = "removed" if self.encrypted else "added"
            raise ConfigError([f"{self._path}:1: tls_server_config: cannot be {change} without a restart"])
        if self._first.basic_auth_users and not config.basic_auth_users:
            raise ConfigError([f"{self._path}:1: basic_auth_users: cannot be removed without a restart"])

    def _context(self, config: WebConfig) -> ssl.SSLContext:
        try:
            return self._contexts.context(config.tls_server_config)
        except TlsError as error:
            assert self._document is not None  # noqa: S101 - there is a configuration
            raise self._document.error([(error.place, str(error))]) from None

    def _tell(self, what: str, problem: str | None) -> None:
        before = self._logged.get(what)
        self._logged[what] = problem
        if problem and problem != before:
            log.error("%s cannot be used; whoever asks is refused", what, extra={"error": problem})
        elif before and not problem:
            log.info("%s can be used again", what)


def _content(path: Path) -> bytes:
    """Return a file's bytes by plain system calls, a quarter of what it takes through a file object."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        parts = []
        while part := os.read(descriptor, _READ_BYTES):
            parts.append(part)
        return b"".join(parts)
    finally:
        os.close(descriptor)


def _decoded(content: bytes, path: Path) -> str:
    try:
        return content.decode()
    except UnicodeDecodeError as error:
        raise ConfigError([f"{path}: is not UTF-8 text (byte {error.start})"]) from None
