"""The web configuration's file: read anew at each request and connection, and never less strict than at the start."""

from __future__ import annotations

import logging
import ssl
from pathlib import Path

from exporter import yaml_file
from exporter.errors import ConfigError
from exporter.web.config import WebConfig
from exporter.web.tls import TlsContexts, TlsError
from exporter.yaml_file import Lines

log = logging.getLogger(__name__)


def parse(text: str, file: str) -> tuple[WebConfig, Lines]:
    """Validate a web configuration given as YAML text; `file` names it in messages. An empty one demands nothing.

    Raises:
        ConfigError: with every problem found, a line each. No value is repeated: it might be a secret in a wrong place.
    """
    return yaml_file.parse(text, file, WebConfig, is_secret=lambda _: True)


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
        self._text: str | None = None
        self._current: WebConfig | ConfigError | None = None
        self._contexts = TlsContexts(path.parent)
        self._logged: dict[str, str | None] = {}
        self._lines: Lines | None = None
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
        text = yaml_file.read(self._path)
        if text != self._text:
            self._text = text
            try:
                self._current, self._lines = parse(text, str(self._path))
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
            assert self._lines is not None  # noqa: S101 - there is a configuration
            raise self._lines.error([(error.place, str(error))]) from None

    def _tell(self, what: str, problem: str | None) -> None:
        before = self._logged.get(what)
        self._logged[what] = problem
        if problem and problem != before:
            log.error("%s cannot be used; whoever asks is refused", what, extra={"error": problem})
        elif before and not problem:
            log.info("%s can be used again", what)
