"""The configuration on its own: every mistake in it, and what is unwise. Nothing connects."""

from __future__ import annotations

import os
import re
import shlex
import stat
from collections.abc import Iterator, Mapping
from pathlib import Path

from exporter import config_file
from exporter.app import open_sources
from exporter.check.findings import Finding, Section, error, ok, warning
from exporter.config import LEDGERS, Config, SourceConfig
from exporter.errors import ConfigError
from exporter.ledgers import inspection
from exporter.web.config import WebConfig
from exporter.web.config_file import WebConfigFile

_PROBLEM = re.compile(r"(?P<line>\d+): (?P<key>\S+): (?P<message>.*)", re.DOTALL)
_REMEDY = "ledger-exporter.yml by example, with every key: docs/configuration.md"
_WEB_REMEDY = "what may stand in it, and what it does: docs/web-configuration.md"
_OF_DSN = "give the password by password_file or password_env; or let nobody else read the file"


def check(path: Path, environment: Mapping[str, str] | None = None) -> tuple[Config | None, Section]:
    """Load a configuration; return it, or None where it cannot be used, and what there is to say of it."""
    environment = os.environ if environment is None else environment
    title = f"Configuration {path}"
    try:
        config = config_file.load(path, environment)
        open_sources(config, environment)
    except ConfigError as problems:
        return None, Section(title, [_finding(path, problem) for problem in problems.problems])
    return config, Section(title, [ok(_outline(config)), *_open_secrets(config, path, environment)])


def check_web(path: Path) -> Section:
    """Load a web configuration and the certificates it names; return what there is to say of it."""
    title = f"Web configuration {path}"
    try:
        loaded = WebConfigFile(path)
        return Section(title, [ok(_protection(loaded, loaded.read()))])
    except ConfigError as problems:
        return Section(title, [_finding(path, problem, _WEB_REMEDY) for problem in problems.problems])


def _protection(file: WebConfigFile, config: WebConfig) -> str:
    users = len(config.basic_auth_users)
    named = f"{users} user{'' if users == 1 else 's'} with a password" if users else "no passwords"
    return f"{'TLS' if file.encrypted else 'no TLS'}, {named}"


def _finding(path: Path, problem: str, remedy: str = _REMEDY) -> Finding:
    """Return a problem as told by the configuration's reader, its key apart where it names one."""
    found = _PROBLEM.fullmatch(problem.removeprefix(f"{path}:"))
    if found is None:
        key, _, message = problem.partition(": ")
        return error(message, key, remedy)
    return error(f"line {found['line']}: {found['message']}", found["key"], remedy)


def _outline(config: Config) -> str:
    places = [
        f"{ledger} from {config.ledgers[ledger].relation} in {', '.join(config.ledgers[ledger].source_names)}"
        for ledger in LEDGERS
    ]
    return f"{'; '.join(places)}"


def _open_secrets(config: Config, path: Path, environment: Mapping[str, str]) -> Iterator[Finding]:
    """Find passwords where others may read them."""
    for name, source in config.sources.items():
        for key, file in _secrets(source, path, environment):
            if _is_open(file):
                yield warning(
                    f"there is a password in {file}, and others than its owner may read the file",
                    f"sources.{name}.{key}",
                    _OF_DSN if key == "dsn" else "let nobody else read the file, as whose owner the exporter then runs",
                    [f"chmod 600 {shlex.quote(str(file))}"],
                )


def _is_open(file: Path) -> bool:
    """Tell whether others than a file's owner may read it. As libpq has it, one of root's may be for a group (Kubernetes)."""
    found = file.stat()
    return bool(found.st_mode & (stat.S_IROTH if found.st_uid == 0 else stat.S_IRGRP | stat.S_IROTH))


def _secrets(source: SourceConfig, path: Path, environment: Mapping[str, str]) -> Iterator[tuple[str, Path]]:
    """Yield the files that passwords of a source stand in, each with the key that says so."""
    if source.password_file is not None:
        yield "password_file", source.password_file
    if source.dsn_env is None and inspection.holds_password(source.conninfo(environment)):
        yield ("dsn", path) if source.dsn_file is None else ("dsn_file", source.dsn_file)
