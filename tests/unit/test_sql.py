"""The SQL stays plain: what CockroachDB's own parser and type checker were seen to refuse does not come back."""

from __future__ import annotations

import re
from importlib import resources

import pytest

FILES = {
    f"{folder.name}/{file.name}": re.sub("--.*", "", file.read_text(encoding="utf-8"))
    for folder in resources.files("exporter.ledgers").joinpath("sql").iterdir()
    for file in folder.iterdir()
}


@pytest.mark.parametrize("file", FILES)
def test_every_select_has_columns(file: str) -> None:
    assert not re.search(r"\bselect\s+from\b", FILES[file])


@pytest.mark.parametrize("file", FILES)
def test_a_float_is_divided_by_a_float(file: str) -> None:
    """Seconds since 1970 are one on CockroachDB and on PostgreSQL 13; there is no float / int."""
    assert not re.search(r"/\s*%\(\w+\)s(?!::float8)", FILES[file])
