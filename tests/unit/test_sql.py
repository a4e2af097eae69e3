"""The SQL stays plain: what CockroachDB's own parser and type checker were seen to refuse does not come back."""

from __future__ import annotations

import re
from importlib import resources

from tests.support.complaints import each

FOLDER = resources.files("exporter.ledgers").joinpath("sql")

each_file = each(
    sorted(f"{folder.name}/{file.name}" for folder in FOLDER.iterdir() for file in folder.iterdir()),
    place=lambda file: f"exporter/ledgers/sql/{file}",
)


def found(pattern: str, file: str) -> list[str]:
    """Every match of a pattern in a file, comments left out, after the number of its line."""
    text = re.sub("--.*", "", FOLDER.joinpath(file).read_text(encoding="utf-8"))
    return [f"line {text.count(chr(10), 0, match.start()) + 1}: {match[0]}" for match in re.finditer(pattern, text)]


@each_file
def test_every_select_has_columns(file: str) -> None:
    assert found(r"\bselect\s+from\b", file) == []


@each_file
def test_a_float_is_divided_by_a_float(file: str) -> None:
    """Seconds since 1970 are one on CockroachDB and on PostgreSQL 13; there is no float / int."""
    assert found(r"/\s*%\(\w+\)s(?!::float8)", file) == []
