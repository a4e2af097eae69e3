"""Text from a ledger, made safe for a label value whatever it holds."""

from __future__ import annotations

import unicodedata

OTHER = "other"
UNKNOWN = "unknown"
RESERVED = (OTHER, UNKNOWN)

MAX_LENGTH = 120
MAX_TITLE_LENGTH = 80


def clean(text: str, length: int = MAX_LENGTH) -> str:
    """Return a text as a label value: no control characters, quotes or backslashes, at most `length` characters."""
    if not (text.isascii() and text.isprintable()):
        text = "".join(" " if unicodedata.category(character) == "Cc" else character for character in text)
    return text.replace('"', "'").replace("\\", "/")[:length]


def clean_title(text: str | None) -> str:
    """Return a title as a label value, empty where there is none."""
    return clean(text or "", MAX_TITLE_LENGTH)


def clean_or_unknown(text: str | None) -> str:
    """Return a model's or layer's label, `unknown` where there is none."""
    return clean(text) if text else UNKNOWN


def bytewise(text: str) -> bytes:
    """Return the key that sorts texts by their bytes in UTF-8, as no locale and no UTF-16 would."""
    return text.encode("utf-8", "surrogatepass")
