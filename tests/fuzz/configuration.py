"""The configuration: whatever the file holds, it is understood or refused with a line; secrets are repeated nowhere."""

from __future__ import annotations

from exporter.config_file import parse
from exporter.errors import ConfigError

SECRET = "s3cret"  # noqa: S105 - of nobody
WORDS = [
    "sources", "ledgers", "providers", "waste", "efficiency", "costly", "limits", "refresh", "thresholds", "main",
    "dsn", "dsn_env", f"host=h password={SECRET}", f"postgresql://u:{SECRET}@h/d", "cost", "impact", "budget", "source",
    "columns", "relation", "15s", "1e400", "interval", ": ", "\n  ", "\n    ", "\n", "{", "}", "[", "]", ", ",
]  # fmt: skip
"""What the bytes from 0xE0 on stand for."""
BEGINNING = """\
sources: {main: {dsn: postgresql:///platform}}
ledgers: {cost: {source: main}, impact: {source: main}, budget: {source: main}}
"""


def seed(example: str) -> bytes:
    """Return the input that is read as an example; after a good beginning, where it is a part of a configuration."""
    whole = "sources:" in example
    return (b"\0" if whole else b"\xff") + example.encode("ascii")


def configuration(data: bytes) -> None:
    """Read bytes as a configuration, on their own or after a good beginning."""
    text = "".join(WORDS[byte - 0xE0] if byte >= 0xE0 else chr(byte) for byte in data[1:])
    if data[:1] > b"\x7f":
        text = BEGINNING + text
    try:
        parse(text, "ledger-exporter.yml", {})
    except ConfigError as error:
        if not error.problems or SECRET in str(error):
            raise
