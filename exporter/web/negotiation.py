"""Content negotiation: what a client accepts, and what it gets."""

from __future__ import annotations

from functools import lru_cache

from exporter.publishing.exposition import GZIP, IDENTITY, OPENMETRICS, TEXT, Format

_REMEMBERED_LENGTH = 1024
"""Headers longer than this are read each time, so that what is remembered stays small."""


def wanted(accept: str, accept_encoding: str) -> Format:
    """Return content type and encoding of the exposition for a client that sent these two headers."""
    if len(accept) + len(accept_encoding) > _REMEMBERED_LENGTH:
        return _wanted(accept, accept_encoding)
    return _remembered(accept, accept_encoding)


def _wanted(accept: str, accept_encoding: str) -> Format:
    return negotiate(accept), GZIP if accepts_gzip(accept_encoding) else IDENTITY


_remembered = lru_cache(maxsize=64)(_wanted)


def negotiate(accept: str) -> str:
    """Return the content type of the exposition for an Accept header: the supported one of highest quality, else text."""
    best, chosen = 0.0, TEXT
    for item in accept.split(","):
        media, *parameters = (part.strip().lower() for part in item.split(";"))
        quality = _quality(parameters)
        offered = {"application/openmetrics-text": OPENMETRICS, "text/plain": TEXT}.get(media)
        if offered == OPENMETRICS and not {"version=1.0.0", "version=0.0.1"} & {*parameters, _no_version(parameters)}:
            continue
        if offered is not None and quality > best:
            best, chosen = quality, offered
    return chosen


def _no_version(parameters: list[str]) -> str:
    return "" if any(parameter.startswith("version=") for parameter in parameters) else "version=1.0.0"


def accepts_gzip(accept_encoding: str) -> bool:
    """Tell whether an Accept-Encoding header allows gzip; what it says of gzip itself goes before `*` (RFC 9110, 12.5.3)."""
    qualities: dict[str, float] = {}
    for item in accept_encoding.split(","):
        coding, *parameters = (part.strip().lower() for part in item.split(";"))
        qualities[coding] = _quality(parameters)
    return qualities.get("gzip", qualities.get("*", 0)) > 0


def _quality(parameters: list[str]) -> float:
    for parameter in parameters:
        if parameter.startswith("q="):
            try:
                return float(parameter[2:])
            except ValueError:
                return 0.0
    return 1.0
