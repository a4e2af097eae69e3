"""The one reader of YAML files: text to a checked model, and every problem with its file, line and key."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar, get_args

import yaml
from pydantic import BaseModel, ValidationError

from exporter.errors import ConfigError

Place = tuple[str | int, ...]
"""The path to a value: keys and positions."""
Problem = tuple[Place, str]
M = TypeVar("M", bound=BaseModel)
_PERHAPS_SECRET = re.compile(r"([:=@]|\$2[aby]\$).*", re.DOTALL)
_QUOTED = re.compile(r"""'(?:[^'\\]|\\.)*'|"[^"]*\"""", re.DOTALL)
_QUOTED_CHARACTER = re.compile(r"""(['"])(?:.|\\\w+)\1""", re.DOTALL)


def read(path: Path) -> str:
    """Return a file's text.

    Raises:
        ConfigError: it cannot be read, or is not UTF-8.
    """
    try:
        return path.read_bytes().decode()
    except OSError as error:
        raise ConfigError([f"{path}: cannot be read: {error.strerror}"]) from None
    except UnicodeDecodeError as error:
        raise ConfigError([f"{path}: is not UTF-8 text (byte {error.start})"]) from None


@dataclass(frozen=True)
class Lines:
    """The line of every key and value of a file, by the path to it."""

    file: str
    of: Mapping[Place, int]

    def error(self, problems: Iterable[Problem]) -> ConfigError:
        """Return the error that tells all problems, in the order of their lines."""
        ordered = sorted((self._line(place), _dotted(place), message) for place, message in problems)
        return ConfigError([f"{self.file}:{line}: {place}: {message}" for line, place, message in ordered])

    def _line(self, place: Place) -> int:
        while place not in self.of and place:
            place = place[:-1]
        return self.of.get(place, 1)


def parse(
    text: str,
    file: str,
    model: type[M],
    *,
    is_secret: Callable[[Place], bool],
    further: Callable[[dict[str, Any]], Iterable[Problem]] = lambda _: (),
) -> tuple[M, Lines]:
    """Check YAML text against a model; return what it says, and the line of each part. An empty file is an empty mapping.

    `file` is its name in messages. A value is not repeated in them where `is_secret` says so. `further` finds problems
    that the model does not, in data that the model may have refused.

    Raises:
        ConfigError: with every problem found.
    """
    data, lines, problems = _document(text, file)
    data = {} if data is None else data
    if not isinstance(data, dict):
        raise ConfigError([f"{file}:1: must be a mapping with the keys {', '.join(model.model_fields)}"])
    problems += further(data)
    found = None
    try:
        found = model.model_validate(data)
    except ValidationError as error:
        problems += [_problem(dict(item), model, is_secret) for item in error.errors(include_url=False)]
    if found is None or problems:
        raise lines.error(problems)
    return found, lines


def _document(text: str, file: str) -> tuple[Any, Lines, list[Problem]]:
    """Return the data of a file, the lines of its parts, and the keys given twice, which PyYAML silently merges."""
    lines: dict[Place, int] = {}
    try:
        node = yaml.compose(text, Loader=yaml.SafeLoader)
        data = yaml.safe_load(text)
        twice = _index(node, (), lines)
    except yaml.YAMLError as error:
        raise ConfigError([_yaml_problem(file, error)]) from None
    except RecursionError:
        raise ConfigError([f"{file}:1: is nested too deeply, or contains itself"]) from None
    except (ValueError, LookupError, AttributeError, ArithmeticError) as error:
        # A number, date or truth value that looks like one, or is tagged as one, and is none.
        raise ConfigError([f"{file}:1: has a value that cannot be read: {_unquoted(error)}"]) from None
    return data, Lines(file, lines), [(place, "is given twice") for place in twice]


def _unquoted(problem: object) -> str:
    """Return a problem without what it quotes of the file, which may be a secret; single characters stay."""
    return _QUOTED.sub(lambda quoted: quoted[0] if _QUOTED_CHARACTER.fullmatch(quoted[0]) else "'...'", str(problem))


def _yaml_problem(file: str, error: yaml.YAMLError) -> str:
    mark = getattr(error, "problem_mark", None)
    line = mark.line + 1 if mark else 1
    problem = _unquoted(getattr(error, "problem", None) or "unreadable character")
    return f"{file}:{line}: is not valid YAML: {problem}"


def _index(node: yaml.Node | None, place: Place, lines: dict[Place, int]) -> list[Place]:
    """Note the line of every path below a node; return the keys given twice."""
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


def shown(text: object) -> str:
    """Return a name as messages show it: without what follows a `:`, `=`, `@` or `$2y$`, as a secret in a wrong place has.

    `{dsn:postgresql://me:secret@host/db}`, with a space too few, is a mapping with a single long key.
    """
    return _PERHAPS_SECRET.sub(r"\1...", str(text))


def _dotted(place: Place) -> str:
    text = "".join(f"[{step}]" if isinstance(step, int) else f".{shown(step)}" for step in place)
    return text.lstrip(".") or "(file)"


def _allowed_keys(model: type[BaseModel], place: Place) -> str:
    """Return the keys that the mapping at a place may have."""
    for step in place:
        if step in model.model_fields:
            model = _model_in(model.model_fields[str(step)].annotation) or model
    return ", ".join(model.model_fields)


def _model_in(annotation: object) -> type[BaseModel] | None:
    """Return the model that a type is, or is an optional, a list or a mapping of."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next(filter(None, map(_model_in, get_args(annotation))), None)


def _problem(error: dict[str, Any], model: type[BaseModel], is_secret: Callable[[Place], bool]) -> Problem:
    """Return a problem that pydantic found in the words of this program."""
    place: Place = tuple(step for step in error["loc"] if step != "[key]")
    kind, context = error["type"], error.get("ctx", {})
    if kind == "extra_forbidden":
        message = f"is not a known key; allowed here: {_allowed_keys(model, place[:-1])}"
    elif kind == "value_error":
        message = str(context["error"])
    elif kind == "missing":
        message = "is required"
    elif kind == "model_type":
        message = f"must be a mapping with the keys {_allowed_keys(model, place)}"
    else:
        message = error["msg"].replace("Input should", "must")
        given = error.get("input")
        if isinstance(given, str | int | float | bool) and not is_secret(place):
            message += f"; found {_repeated(given)}"
    return place, message


def _repeated(given: str | float) -> str:
    """Return a value as messages repeat it."""
    try:
        return repr(shown(given) if isinstance(given, str) else given)
    except ValueError:  # Python refuses to write it down
        return "a number of thousands of digits"
