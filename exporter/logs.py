"""Logs on standard error, a line an event, as logfmt or JSON."""

from __future__ import annotations

import json
import logging
import sys
from datetime import UTC, datetime
from typing import Literal

LogFormat = Literal["logfmt", "json"]
LEVELS = ("debug", "info", "warn", "error")

_STANDARD = {*vars(logging.makeLogRecord({})), "message", "asctime", "color_message", "taskName"}


def _fields(record: logging.LogRecord) -> dict[str, object]:
    """Return a record's fields: time, level, logger, message, then what the caller added."""
    fields: dict[str, object] = {
        "ts": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "level": {"WARNING": "warn", "CRITICAL": "error"}.get(record.levelname, record.levelname.lower()),
        "logger": record.name,
        "msg": record.getMessage(),
    }
    fields.update({key: value for key, value in vars(record).items() if key not in _STANDARD})
    if record.exc_info:
        fields["exception"] = logging.Formatter().formatException(record.exc_info)
    return fields


def _logfmt_value(value: object) -> str:
    if isinstance(value, bool) or value is None:
        return {True: "true", False: "false", None: "null"}[value]
    text = str(value)
    if not text or any(character in ' ="\\' or not character.isprintable() for character in text):
        return json.dumps(text, ensure_ascii=False)
    return text


class LogfmtFormatter(logging.Formatter):
    """`key=value` pairs, values quoted where they must be."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the record as one line."""
        return " ".join(f"{key}={_logfmt_value(value)}" for key, value in _fields(record).items())


class JsonFormatter(logging.Formatter):
    """One JSON object a line."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the record as one line."""
        return json.dumps(_fields(record), ensure_ascii=False, default=str)


def configure(level: str, log_format: LogFormat) -> None:
    """Send all logs to standard error; libraries speak only of warnings and worse."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter() if log_format == "json" else LogfmtFormatter())
    logging.basicConfig(handlers=[handler], level=logging.WARNING, force=True)
    logging.getLogger("exporter").setLevel({"warn": "WARNING"}.get(level, level.upper()))
    logging.getLogger("apscheduler").setLevel(logging.ERROR)
