"""One YAML file to one `Config`; every problem is reported at once, with its file, line, path and what is allowed."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ValidationError

from exporter.config import Config, ProviderPattern, SourceConfig, ThresholdsConfig
from exporter.errors import ConfigError

Place = tuple[str | int, ...]
Problem = tuple[Place, str]


def load(path: Path, environment: Mapping[str, str] | None = None) -> Config:
    """Read and validate a configuration file.

    Raises:
        ConfigError: with every problem found, a line each: file, line, path, and what is allowed.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise ConfigError([f"{path}: cannot be read: {error.strerror}"]) from None
    except UnicodeDecodeError as error:
        raise ConfigError([f"{path}: is not UTF-8 text (byte {error.start})"]) from None
    return parse(text, str(path), environment)


def parse(text: str, file: str = "<config>", environment: Mapping[str, str] | None = None) -> Config:
    """Validate a configuration given as YAML text; `file` names it in messages.

    Raises:
        ConfigError: with every problem found.
    """
    environment = os.environ if environment is None else environment
    try:
        node = yaml.compose(text, Loader=yaml.SafeLoader)
        data = yaml.safe_load(text)
        lines: dict[Place, int] = {}
        twice = _index(node, (), lines)
    except yaml.YAMLError as error:
        raise ConfigError([_yaml_problem(file, error)]) from None
    except RecursionError:
        raise ConfigError([f"{file}:1: is nested too deeply, or contains itself"]) from None
    except ValueError as error:  # a date or number that looks like one and is none
        raise ConfigError([f"{file}:1: has a value that cannot be read: {error}"]) from None
    if not isinstance(data, dict):
        raise ConfigError([f"{file}:1: must be a mapping with the keys {', '.join(Config.model_fields)}"])
    config = None
    problems = [(place, "is given twice") for place in twice]
    problems += _unknown_sources(data) + _source_problems(data, environment) + _threshold_problems(data)
    try:
        config = Config.model_validate(data)
    except ValidationError as error:
        problems += [_problem(dict(item)) for item in error.errors(include_url=False)]
    if config is None or problems:
        ordered = sorted((_line(lines, place), _dotted(place), message) for place, message in problems)
        raise ConfigError([f"{file}:{line}: {place}: {message}" for line, place, message in ordered])
    return config


def _yaml_problem(file: str, error: yaml.YAMLError) -> str:
    mark = getattr(error, "problem_mark", None)
    line = mark.line + 1 if mark else 1
    return f"{file}:{line}: is not valid YAML: {getattr(error, 'problem', None) or 'unreadable character'}"


def _index(node: yaml.Node | None, place: Place, lines: dict[Place, int]) -> list[Place]:
    """Note the line of every path below a node; return the keys given twice, which YAML readers silently merge."""
    if node is None:
        return []
    lines.setdefault(place, node.start_mark.line + 1)
    twice: list[Place] = []
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            below = (*place, str(key.value))
            if below in lines:
                twice.append(below)
            lines[below] = key.start_mark.line + 1
            twice += _index(value, below, lines)
    elif isinstance(node, yaml.SequenceNode):
        for position, item in enumerate(node.value):
            twice += _index(item, (*place, position), lines)
    return twice


def _line(lines: dict[Place, int], place: Place) -> int:
    while place not in lines and place:
        place = place[:-1]
    return lines.get(place, 1)


def _dotted(place: Place) -> str:
    text = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in place)
    return text.lstrip(".") or "(file)"


def _problem(error: dict[str, Any]) -> Problem:
    place: Place = tuple(step for step in error["loc"] if step != "[key]")
    kind, context = error["type"], error.get("ctx", {})
    if kind == "extra_forbidden":
        message = f"is not a known key; allowed here: {', '.join(_allowed_keys(place[:-1]))}"
    elif kind == "value_error":
        message = str(context["error"])
    elif kind == "missing":
        message = "is required"
    elif kind == "model_type":
        message = f"must be a mapping with the keys {', '.join(_allowed_keys(place))}"
    else:
        message = error["msg"].replace("Input should", "must")
        given = error.get("input")
        # What stands below `sources` may be a secret, in its place or not.
        if isinstance(given, str | int | float | bool) and place[:1] != ("sources",):
            message += f"; found {given!r}"
    return place, message


def _allowed_keys(place: Place) -> list[str]:
    """Return the keys a mapping of the configuration may have, in the order of the reference."""
    model: Any = Config
    for step in place:
        annotation = model.model_fields[step].annotation if step in model.model_fields else None
        if isinstance(annotation, type) and issubclass(annotation, BaseModel):
            model = annotation
        elif model is Config and step in {"sources", "providers"}:
            model = SourceConfig if step == "sources" else ProviderPattern
    return list(model.model_fields)


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
                (("ledgers", str(ledger), key), f"names the source {name!r}; there is {', '.join(map(str, sources))}")
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
