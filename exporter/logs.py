"""Logs on standard error, a line an event, as logfmt or JSON."""

from __future__ import annotations

import json
import logging
import os
import sys
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from time import monotonic
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


TALLY_SECONDS = 60


class Tally:
    """Logs what outsiders can cause as often as they like: the first of a kind at once, then a line a minute for all."""

    def __init__(self, log: logging.Logger, clock: Callable[[], float] = monotonic) -> None:
        self._log = log
        self._clock = clock
        self._kinds: dict[str, _Kind] = {}

    def note(self, message: str, **fields: object) -> None:
        """Note an event; `message` is its kind, a constant. Of many, the last one's fields are logged."""
        kind = self._kinds.get(message)
        if kind is None:
            self._kinds[message] = _Kind(self._clock())
            self._log.warning(message, extra=fields)
        else:
            kind.count += 1
            kind.fields = fields

    def tick(self) -> None:
        """Log the kinds that have been silent for a minute; forget those that did not occur in it."""
        now = self._clock()
        for message, kind in list(self._kinds.items()):
            if now - kind.logged >= TALLY_SECONDS:
                self._tell(message, kind, now)

    def flush(self) -> None:
        """Log what is not logged yet."""
        for message, kind in list(self._kinds.items()):
            self._tell(message, kind, self._clock())

    def _tell(self, message: str, kind: _Kind, now: float) -> None:
        if kind.count:
            self._log.warning(message, extra={"count": kind.count, **kind.fields})
            self._kinds[message] = _Kind(now)
        else:
            del self._kinds[message]


@dataclass
class _Kind:
    """When a kind of event was logged, and what has come since."""

    logged: float
    count: int = 0
    fields: dict[str, object] = field(default_factory=dict)


class Troubles:
    """Tells which of what goes wrong again and again is worth a line: the first, second, fourth, eighth and so on."""

    def __init__(self) -> None:
        self._times: Counter[tuple[str, ...]] = Counter()

    def recur(self, *trouble: str) -> bool:
        """Note a trouble, told by a few constant words; return whether to log it."""
        self._times[trouble] += 1
        return self._times[trouble].bit_count() == 1

    def end(self, *trouble: str) -> None:
        """Note that it is over: its next time is a first one."""
        self._times.pop(trouble, None)


def configure(level: str, log_format: LogFormat) -> None:
    """Send all logs to standard error; libraries speak only of warnings and worse."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter() if log_format == "json" else LogfmtFormatter())
    logging.basicConfig(handlers=[handler], level=logging.WARNING, force=True)
    logging.getLogger("exporter").setLevel({"warn": "WARNING"}.get(level, level.upper()))
    logging.getLogger("apscheduler").setLevel(logging.ERROR)
    logging.getLogger("asyncio").setLevel(logging.ERROR)


def end() -> None:
    """Write what is left; drop what cannot be written, as on a full disk: over that Python would end with exit code 120."""
    logging.shutdown()
    try:
        sys.stderr.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stderr.fileno())
