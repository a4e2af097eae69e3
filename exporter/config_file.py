"""One YAML file to one `Config`; every problem is reported at once, with its file, line, path and what is allowed."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from exporter import yaml_file
from exporter.config import Config, SourceConfig, ThresholdsConfig
from exporter.yaml_file import Place, Problem


def load(path: Path, environment: Mapping[str, str] | None = None) -> Config:
    """Read and validate a configuration file.

    Raises:
        ConfigError: with every problem found, a line each: file, line, path, and what is allowed.
    """
    return parse(yaml_file.read(path), str(path), environment)


def parse(text: str, file: str = "<config>", environment: Mapping[str, str] | None = None) -> Config:
    """Validate a configuration given as YAML text; `file` names it in messages.

    Raises:
        ConfigError: with every problem found.
    """
    environment = os.environ if environment is None else environment

    def further(data: dict[str, Any]) -> list[Problem]:
        return _unknown_sources(data) + _source_problems(data, environment) + _threshold_problems(data)

    config, _ = yaml_file.parse(text, file, Config, is_secret=_is_secret, further=further)
    return config


def _is_secret(place: Place) -> bool:
    """Tell whether a place may hold a secret, in its place or not."""
    return place[:1] == ("sources",)


def _unknown_sources(data: dict[str, Any]) -> list[Problem]:
    """Find ledgers that name a source which does not exist, whatever else may be wrong."""
    sources, ledgers = data.get("sources"), data.get("ledgers")
    if not isinstance(sources, dict) or not isinstance(ledgers, dict):
        return []
    problems: list[Problem] = []
    for ledger, section in ledgers.items():
        for key in ("source", "sources"):
            named = section.get(key) if isinstance(section, dict) else None
            problems += [
                (
                    ("ledgers", str(ledger), key),
                    f"names the source {yaml_file.shown(name)!r}; there is {', '.join(map(yaml_file.shown, sources))}",
                )
                for name in (named if isinstance(named, list) else [named])
                if isinstance(name, str) and name not in sources
            ]
    return problems


def _source_problems(data: dict[str, Any], environment: Mapping[str, str]) -> list[Problem]:
    """Find sources whose secrets cannot be had, and sources without a use, whatever else may be wrong."""
    sources, ledgers = data.get("sources"), data.get("ledgers")
    if not isinstance(sources, dict):
        return []
    sections = (
        [section for section in ledgers.values() if isinstance(section, dict)] if isinstance(ledgers, dict) else []
    )
    used = [section.get("source") for section in sections]
    used += [name for section in sections if isinstance(section.get("sources"), list) for name in section["sources"]]
    problems: list[Problem] = [
        (("sources", str(name)), "is used by no ledger") for name in sources if sections and name not in used
    ]
    for name, section in sources.items():
        try:
            source = SourceConfig.model_validate(section)
        except ValidationError:
            continue  # told already, with its place
        for secret in (source.conninfo, source.password):
            try:
                secret(environment)
            except ValueError as error:
                problems.append((("sources", str(name)), str(error)))
    return problems


def _threshold_problems(data: dict[str, Any]) -> list[Problem]:
    """Find unknown thresholds and levels out of order, whatever else may be wrong."""
    try:
        thresholds = ThresholdsConfig.model_validate(data.get("thresholds", {}))
    except ValidationError:
        return []  # told already, with its place
    return [(("thresholds", *place), message) for place, message in thresholds.resolved().problems()]
